// The ClientHello that a browser sent: larger than a datagram, because of its post-quantum key share.
#include <fstream>
#include <string>

#include <doctest/doctest.h>

#include "tests/unit/dtls/call.h"

using namespace sluice;
using namespace sluice::test;

namespace {

Datagram from_hex(const std::string& line) {
  Datagram d;
  for (size_t i = 0; i + 1 < line.size(); i += 2)
    d.push_back(static_cast<uint8_t>(std::stoul(line.substr(i, 2), nullptr, 16)));
  return d;
}

std::vector<Datagram> recorded() {
  std::ifstream in(std::string(SLUICE_TEST_DATA) + "/dtls/chromium156-clienthello.hex");
  std::vector<Datagram> out;
  for (std::string line; std::getline(in, line);) out.push_back(from_hex(line));
  return out;
}

/// The ClientHello's body, out of its fragments.
Datagram body_of(const std::vector<Datagram>& fragments) {
  Datagram body;
  for (const Datagram& d : fragments) body.insert(body.end(), d.begin() + 25, d.end());
  return body;
}

Datagram fragment(const Datagram& body, size_t from, size_t to, uint64_t sequence) {
  Datagram d(25 + to - from);
  Writer w{MutBytes(d)};
  w.u8(22), w.u16(0xfeff), w.u16(0), w.u16(static_cast<uint16_t>(sequence >> 32));
  w.u32(static_cast<uint32_t>(sequence)), w.u16(static_cast<uint16_t>(12 + to - from));
  w.u8(1), w.u24(static_cast<uint32_t>(body.size())), w.u16(0);
  w.u24(static_cast<uint32_t>(from)), w.u24(static_cast<uint32_t>(to - from));
  w.bytes(Bytes(body).subspan(from, to - from));
  REQUIRE(w.ok());
  return d;
}

size_t total(const dtls::Output& out) {
  size_t n = 0;
  for (size_t i = 0; i < out.size(); ++i) n += out[i].size();
  return n;
}

/// Handshake message types of epoch 0, in order.
std::string messages(const dtls::Output& out) {
  std::string types;
  for (size_t i = 0; i < out.size(); ++i) {
    dtls::RecordReader r(out[i]);
    while (const auto record = r.next()) types += std::to_string(record->fragment[0]) + " ";
  }
  return types;
}

dtls::Fingerprint some_fingerprint() { return {dtls::HashAlg::sha256, {}}; }

}  // namespace

TEST_CASE("Chromium's ClientHello in two datagrams gets one small flight and no HelloVerifyRequest") {
  const auto hello = recorded();
  REQUIRE(hello.size() == 2);
  dtls::Server server(server_context(), some_fingerprint());
  dtls::Output out;
  server.input(hello[0], seconds(1), out);
  CHECK(out.empty());
  server.input(hello[1], seconds(1), out);
  CHECK(server.state() == dtls::State::handshaking);
  // ServerHello, Certificate, ServerKeyExchange, CertificateRequest, ServerHelloDone
  CHECK(messages(out) == "2 11 12 13 14 ");
  CHECK(out.size() == 1);
  const size_t received = hello[0].size() + hello[1].size();
  const double amplification = static_cast<double>(total(out)) / static_cast<double>(received);
  MESSAGE("received " << received << " bytes, sent " << total(out) << ": amplification " << amplification);
  CHECK(amplification < 1);
  CHECK(server.deadline() == seconds(1) + dtls::kFirstTimer);
}

TEST_CASE("ClientHello fragments are taken in any order, repeated, and when they overlap") {
  const Datagram body = body_of(recorded());
  REQUIRE(body.size() == 0x585);
  std::mt19937 random(7);
  for (const size_t pieces : {size_t{2}, size_t{3}, size_t{6}}) {
    for (int round = 0; round < 40; ++round) {
      std::vector<std::pair<size_t, size_t>> cuts;
      for (size_t i = 0; i < pieces; ++i)
        cuts.emplace_back(body.size() * i / pieces, body.size() * (i + 1) / pieces);
      if (round % 4 == 1) cuts.push_back(cuts[random() % cuts.size()]);
      if (round % 4 == 2) cuts[1].first -= 50;
      std::ranges::shuffle(cuts, random);
      CAPTURE(pieces);
      CAPTURE(round);
      dtls::Server server(server_context(), some_fingerprint());
      dtls::Output out;
      uint64_t sequence = 0;
      for (const auto& [from, to] : cuts) server.input(fragment(body, from, to, sequence++), seconds(1), out);
      CHECK(messages(out) == "2 11 12 13 14 ");
    }
  }
}

TEST_CASE("a fragment that is missing is waited for, and no flight is sent for the others") {
  const Datagram body = body_of(recorded());
  dtls::Server server(server_context(), some_fingerprint());
  dtls::Output out;
  server.input(fragment(body, 0, 500, 0), seconds(1), out);
  for (uint64_t i = 1; i < 50; ++i) server.input(fragment(body, 900, body.size(), i), seconds(1), out);
  CHECK(out.empty());
  server.timeout(seconds(20), out);
  CHECK(out.empty());
  server.input(fragment(body, 500, 900, 50), seconds(20), out);
  CHECK(messages(out) == "2 11 12 13 14 ");
}

TEST_CASE("OpenSSL's small ClientHello is answered with less than four times its size") {
  Call call;
  call.client.start();
  const auto hello = call.client.take();
  REQUIRE(hello.size() == 1);
  call.server->input(hello[0], seconds(1), call.out);
  const double amplification = static_cast<double>(total(call.out)) / static_cast<double>(hello[0].size());
  MESSAGE("received " << hello[0].size() << " bytes, sent " << total(call.out) << ": amplification "
                      << amplification);
  CHECK(amplification < 4);
}
