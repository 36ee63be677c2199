// What SRTP's tests share: seeds, packets, aligned contexts and one peer per backend.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include "net/base/bytes.h"
#include "net/srtp/srtp.h"

namespace srtp_test {

using namespace sluice;
using namespace sluice::srtp;
using Packet = std::vector<uint8_t>;

inline constexpr Kind kOwnKinds[] = {Kind::ipsec_mb, Kind::openssl};
inline constexpr Kind kAllKinds[] = {Kind::ipsec_mb, Kind::openssl, Kind::libsrtp};

/// SLUICE_TEST_SEED replays a failure.
inline uint64_t seed() {
  static const uint64_t s = [] {
    const char* const given = std::getenv("SLUICE_TEST_SEED");
    return given != nullptr ? std::strtoull(given, nullptr, 0) : std::random_device{}();
  }();
  return s;
}

class Random {
 public:
  explicit Random(uint64_t salt) : engine_(seed() * 0x9e3779b97f4a7c15u + salt) {}
  uint64_t below(uint64_t n) { return engine_() % n; }
  uint64_t between(uint64_t lo, uint64_t hi) { return lo + below(hi - lo + 1); }
  bool chance(unsigned percent) { return below(100) < percent; }
  uint8_t byte() { return static_cast<uint8_t>(engine_()); }
  template <class Range>
  void fill(Range& r) {
    for (auto& b : r) b = byte();
  }

 private:
  std::mt19937_64 engine_;
};

inline Packet unhex(std::string_view text) {
  Packet out;
  int high = -1;
  for (const char c : text) {
    if (c == ' ') continue;
    const int v = c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
    if (high < 0) {
      high = v;
    } else {
      out.push_back(static_cast<uint8_t>(high << 4 | v));
      high = -1;
    }
  }
  return out;
}

inline std::string hex(Bytes b) {
  std::string s;
  for (const uint8_t x : b) {
    char two[3];
    std::snprintf(two, sizeof two, "%02x", x);
    s += two;
  }
  return s;
}

inline std::unique_ptr<Cipher> make_cipher(Kind kind) {
  auto made = Cipher::make(kind);
  REQUIRE_MESSAGE(made.has_value(), (made ? "" : made.error()));
  return std::move(*made);
}

inline MasterKey random_key(Profile p, Random& random) {
  MasterKey k;
  k.profile = p;
  for (size_t i = 0; i < key_bytes(p); ++i) k.key[i] = random.byte();
  for (size_t i = 0; i < salt_bytes(p); ++i) k.salt[i] = random.byte();
  return k;
}

/// Memory for a context, aligned as the engine's slab is.
struct alignas(kContextAlign) Context {
  std::array<std::byte, kMaxContextBytes> bytes{};
  std::span<std::byte> span() { return bytes; }
};

/// Both directions of one session at one end, both with the same key: what it protects it can unprotect.
struct Peer {
  Cipher& cipher;
  std::unique_ptr<Context> in_context = std::make_unique<Context>();
  std::unique_ptr<Context> out_context = std::make_unique<Context>();
  Inbound in;
  Outbound out;

  Peer(Cipher& c, const MasterKey& key) : cipher(c) {
    REQUIRE(in.open(cipher, in_context->span(), key));
    REQUIRE(out.open(cipher, out_context->span(), key));
  }
  ~Peer() {
    in.close(cipher);
    out.close(cipher);
  }
  Peer(const Peer&) = delete;

  /// Empty if refused; `why` then says so.
  Packet protect(Bytes plain, bool rtcp, size_t header_len, Drop* why = nullptr) {
    Packet buffer(plain.begin(), plain.end());
    buffer.resize(plain.size() + kMaxOverhead);
    TxJob job{.out = &out,
              .dst = buffer.data(),
              .header_len = static_cast<uint16_t>(header_len),
              .payload = buffer.data() + header_len,
              .payload_len = static_cast<uint16_t>(plain.size() - header_len),
              .rtcp = rtcp};
    sluice::srtp::protect(cipher, {&job, 1});
    if (why != nullptr) *why = job.result;
    buffer.resize(job.out_len);
    return buffer;
  }
  /// `packet` becomes the plain packet if the answer is none.
  Drop unprotect(Packet& packet, bool rtcp, uint64_t* index = nullptr) {
    RxJob job{.in = &in, .data = packet.data(), .len = static_cast<uint16_t>(packet.size()), .rtcp = rtcp};
    sluice::srtp::unprotect(cipher, {&job, 1});
    if (job.result == Drop::none) packet.resize(job.out_len);
    if (index != nullptr) *index = job.index;
    return job.result;
  }
};

/// A plain packet and where its payload begins.
struct Plain {
  Packet bytes;
  size_t header_len;
};

inline Plain rtp_packet(uint32_t ssrc, uint16_t seq, Bytes payload) {
  Packet p(12);
  p[0] = 0x80;
  p[1] = 111;
  store_be<uint16_t>(p.data() + 2, seq);
  store_be<uint32_t>(p.data() + 4, 960u * seq);
  store_be<uint32_t>(p.data() + 8, ssrc);
  p.insert(p.end(), payload.begin(), payload.end());
  return {std::move(p), 12};
}

/// CSRCs and a one-byte or two-byte extension (RFC 8285) at random, payload of 0..1400 bytes.
inline Plain random_rtp(Random& random, uint32_t ssrc, uint16_t seq) {
  Packet payload(random.chance(10) ? 0 : random.below(1401));
  random.fill(payload);
  Plain plain = rtp_packet(ssrc, seq, {});
  Packet& p = plain.bytes;
  const size_t csrcs = random.chance(50) ? 0 : random.below(16);
  p[0] = static_cast<uint8_t>(p[0] | csrcs);
  p[1] = random.byte();
  for (size_t i = 0; i < 4 * csrcs; ++i) p.push_back(random.byte());
  if (random.chance(60)) {
    p[0] |= 0x10;
    const bool two_byte = random.chance(50);
    const auto words = static_cast<uint8_t>(random.below(6));
    for (const uint8_t b :
         {uint8_t(two_byte ? 0x10 : 0xbe), uint8_t(two_byte ? 0x00 : 0xde), uint8_t{0}, words})
      p.push_back(b);
    for (size_t i = 0; i < size_t{4} * words; ++i) p.push_back(random.byte());
  }
  plain.header_len = p.size();
  p.insert(p.end(), payload.begin(), payload.end());
  return plain;
}

/// A sender report followed by an SDES of `cname_words` words: a compound packet, RFC 3550 §6.1.
inline Plain rtcp_compound(Random& random, uint32_t ssrc, size_t cname_words) {
  Packet p(28);
  random.fill(p);
  p[0] = 0x80;
  p[1] = 200;
  store_be<uint16_t>(p.data() + 2, 6);
  store_be<uint32_t>(p.data() + 4, ssrc);
  Packet sdes(8 + 4 * cname_words);
  random.fill(sdes);
  sdes[0] = 0x81;
  sdes[1] = 202;
  store_be<uint16_t>(sdes.data() + 2, static_cast<uint16_t>(sdes.size() / 4 - 1));
  store_be<uint32_t>(sdes.data() + 4, ssrc);
  p.insert(p.end(), sdes.begin(), sdes.end());
  return {std::move(p), 8};
}

}  // namespace srtp_test
