#include <doctest/doctest.h>

#include "tests/unit/dtls/call.h"

using namespace sluice;
using namespace sluice::test;

namespace {

Datagram record(uint8_t type, uint16_t epoch, uint64_t sequence, std::initializer_list<uint8_t> body) {
  Datagram d(dtls::kRecordHeader + body.size());
  Writer w{MutBytes(d)};
  w.u8(type), w.u16(0xfefd), w.u16(epoch), w.u16(static_cast<uint16_t>(sequence >> 32));
  w.u32(static_cast<uint32_t>(sequence)), w.u16(static_cast<uint16_t>(body.size()));
  for (const uint8_t b : body) w.u8(b);
  return d;
}

constexpr Micros kNow = seconds(1);

}  // namespace

TEST_CASE("what is no DTLS record is ignored and opens nothing") {
  dtls::Server server(server_context(), {});
  dtls::Output out;
  std::mt19937 random(3);
  for (size_t n = 0; n < 200; ++n) {
    Datagram d(n);
    for (uint8_t& b : d) b = static_cast<uint8_t>(random());
    if (n > 0) d[0] = 23 + 1;
    server.input(d, kNow, out);
  }
  server.input(Datagram(65'000, 22), kNow, out);
  server.input(record(21, 0, 0, {2, 40}), kNow, out);
  server.input(record(22, 1, 0, {1, 2, 3}), kNow, out);
  server.input(record(23, 0, 0, {1, 2, 3}), kNow, out);
  CHECK(out.empty());
  CHECK(server.ignored() == 204);
  CHECK(server.state() == dtls::State::handshaking);
  CHECK(server.deadline() == kNever);
}

TEST_CASE("records with random bodies fail or are ignored, with at most an alert in reply") {
  std::mt19937 random(11);
  for (int round = 0; round < 3000; ++round) {
    dtls::Server server(server_context(), {});
    dtls::Output out;
    for (int i = 0; i < 4; ++i) {
      Datagram d(dtls::kRecordHeader + 12 + random() % 60);
      for (uint8_t& b : d) b = static_cast<uint8_t>(random());
      d[0] = static_cast<uint8_t>(20 + random() % 4), d[1] = 0xfe, d[2] = 0xfd;
      store_be<uint16_t>(&d[3], static_cast<uint16_t>(random() % 3 == 0));
      store_be<uint16_t>(&d[11], static_cast<uint16_t>(d.size() - dtls::kRecordHeader));
      if (random() % 2 == 0) {
        d[13] = static_cast<uint8_t>(random() % 21);
        store_be24(&d[14], static_cast<uint32_t>(d.size() - 25));
        store_be<uint16_t>(&d[17], static_cast<uint16_t>(random() % 2));
        store_be24(&d[19], 0);
        store_be24(&d[22], static_cast<uint32_t>(d.size() - 25));
      }
      server.input(d, kNow, out);
    }
    CHECK(server.state() != dtls::State::connected);
    CHECK(!server.export_keys());
    for (size_t i = 0; i < out.size(); ++i) CHECK(dtls::has_record(out[i], dtls::ContentType::alert, 0));
  }
}

TEST_CASE("flipping bits of a client's datagrams never connects with wrong keys and never crashes") {
  int failed = 0, connected = 0;
  for (uint32_t seed = 1; seed <= 200; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    Call call;
    std::vector<Datagram> flipped;
    call.filter = [&](bool to_server, const Datagram& d) {
      if (!to_server || random() % 2 == 0) return true;
      Datagram bad = d;
      bad[random() % bad.size()] ^= static_cast<uint8_t>(1u << random() % 8);
      if (call.server) call.server->input(bad, call.now, call.out);
      return true;
    };
    call.connect(seconds(10));
    failed += call.server->state() == dtls::State::failed;
    if (call.both_connected()) {
      ++connected;
      CHECK(same(call.server->export_keys().value(), call.client.keys()));
    }
  }
  CHECK(failed > 0);
  CHECK(connected > 0);
}

TEST_CASE("a message that claims to be huge is refused without being allocated") {
  dtls::Server server(server_context(), {});
  dtls::Output out;
  // ClientHello of 2^24 - 1 bytes, first fragment
  server.input(record(22, 0, 0, {1, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 4, 0xfe, 0xfd, 1, 2}), kNow, out);
  CHECK(server.state() == dtls::State::failed);
  CHECK(server.failure() == dtls::Failure::protocol_error);
  CHECK(out.size() <= 1);
}

TEST_CASE("an alert of the client ends a handshake that is not finished") {
  for (const uint8_t level : {uint8_t{1}, uint8_t{2}}) {
    Call call;
    call.client.start();
    call.server->input(call.client.take()[0], kNow, call.out);
    call.server->input(record(21, 0, 1, {level, 46}), kNow, call.out);
    CHECK(call.server->failure() == dtls::Failure::peer_alert);
    CHECK(call.server->deadline() == kNever);
  }
}

TEST_CASE("forged alerts and Finished do not disturb a connected server") {
  Call call;
  REQUIRE(call.connect());
  const auto keys = call.server->export_keys().value();
  call.server->input(record(21, 0, 50, {2, 40}), call.now, call.out);
  call.server->input(record(21, 1, 50, {2,  40, 1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12,
                                        13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26}),
                     call.now, call.out);
  call.server->input(record(22, 1, 51, {1, 2, 3}), call.now, call.out);
  CHECK(call.server->state() == dtls::State::connected);
  CHECK(same(call.server->export_keys().value(), keys));
}

TEST_CASE("input after a failure, a close or far in the future changes nothing") {
  Call call;
  REQUIRE(call.connect());
  call.server->close(call.out);
  call.out.clear();
  call.server->input(record(22, 0, 9, {1, 0, 0, 0}), Micros{INT64_MAX - 1}, call.out);
  call.server->timeout(Micros{INT64_MAX - 1}, call.out);
  CHECK(call.out.empty());
  CHECK(call.server->state() == dtls::State::closed);
  CHECK(!call.server->export_keys());
}

TEST_CASE("renegotiation gets no further than the stored last flight") {
  Call call;
  REQUIRE(call.connect());
  const auto keys = call.server->export_keys().value();
  call.client.renegotiate();
  call.send_all();
  call.run(call.now + seconds(5), [] { return false; });
  CHECK(call.server->state() == dtls::State::connected);
  CHECK(same(call.server->export_keys().value(), keys));
}

TEST_CASE("an output that is full loses datagrams and counts them") {
  dtls::Output out;
  const Datagram d(dtls::kMtu, 1);
  for (size_t i = 0; i < dtls::Output::kCapacity; ++i) CHECK(out.push(d));
  CHECK(!out.push(d));
  CHECK(out.lost() == 1);
  out.clear();
  CHECK(!out.push(Datagram(dtls::kMtu + 1)));
  CHECK(!out.push({}));
  CHECK(out.empty());
}
