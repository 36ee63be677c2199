// Every backend and profile against libsrtp, in both directions.
#include "tests/unit/srtp/oracle.h"

using namespace srtp_test;

namespace {

struct Sent {
  Packet plain;
  Packet wire;
  bool rtcp;
};

constexpr uint32_t kSsrcs[] = {0x11223344, 0xfffffffe};

/// Packets of two SSRCs that cross a rollover, with an SRTCP compound of the first now and then.
template <class Protect>
std::vector<Sent> conversation(Random& random, size_t n, Protect protect) {
  std::vector<Sent> all;
  uint16_t seq[2] = {static_cast<uint16_t>(65536 - n / 4), static_cast<uint16_t>(random.below(30000))};
  for (size_t i = 0; i < n; ++i) {
    const bool rtcp = random.chance(12);
    const size_t s = rtcp ? 0 : random.below(2);
    if (!rtcp && random.chance(5)) seq[s] = static_cast<uint16_t>(seq[s] + random.below(8));
    const Plain plain =
        rtcp ? rtcp_compound(random, kSsrcs[0], random.below(300)) : random_rtp(random, kSsrcs[s], seq[s]++);
    all.push_back({plain.bytes, protect(plain, rtcp), rtcp});
  }
  return all;
}

/// Delivers in an order that no window minds, with repetitions and damage.
std::vector<size_t> shuffled(Random& random, size_t n) {
  std::vector<size_t> order(n);
  for (size_t i = 0; i < n; ++i) order[i] = i;
  // The first packet of the rolling stream must not be one from behind the rollover.
  for (size_t block = 12; block < n; block += 24)
    for (size_t i = block; i < std::min(block + 24, n); ++i)
      std::swap(order[i], order[random.between(block, i)]);
  return order;
}

}  // namespace

TEST_CASE("what is protected here is byte for byte what libsrtp protects") {
  for_each_suite(10, [](Cipher& cipher, const MasterKey& key, Random& random) {
    Peer peer(cipher, key);
    Oracle oracle(key);
    peer.out.restore_control(1);  // RFC 3711 §3.4 begins at 0, libsrtp at 1
    for (const Sent& s : conversation(random, 150, [&](const Plain& p, bool rtcp) {
           return peer.protect(p.bytes, rtcp, p.header_len);
         }))
      REQUIRE(hex(s.wire) == hex(oracle.protect(s.plain, s.rtcp)));
  });
}

TEST_CASE("libsrtp accepts in any order what is protected here") {
  for_each_suite(11, [](Cipher& cipher, const MasterKey& key, Random& random) {
    Peer peer(cipher, key);
    Oracle oracle(key);
    const auto all = conversation(
        random, 150, [&](const Plain& p, bool rtcp) { return peer.protect(p.bytes, rtcp, p.header_len); });
    for (const size_t i : shuffled(random, all.size())) {
      Packet packet = all[i].wire;
      REQUIRE(oracle.unprotect(packet, all[i].rtcp));
      REQUIRE(hex(packet) == hex(all[i].plain));
    }
  });
}

TEST_CASE("every packet is accepted or refused here as libsrtp does, damage and repetition included") {
  for_each_suite(12, [](Cipher& cipher, const MasterKey& key, Random& random) {
    Peer peer(cipher, key);
    Oracle oracle(key);
    const auto all =
        conversation(random, 200, [&](const Plain& p, bool rtcp) { return oracle.protect(p.bytes, rtcp); });
    size_t accepted = 0;
    for (size_t i : shuffled(random, all.size())) {
      if (random.chance(20)) i = random.below(i + 1);
      Packet ours = all[i].wire;
      if (random.chance(15)) ours[random.below(ours.size())] ^= static_cast<uint8_t>(1u << random.below(8));
      if (random.chance(5)) ours.resize(random.below(ours.size()));
      Packet theirs = ours;
      const bool expected = oracle.unprotect(theirs, all[i].rtcp);
      const bool accepts = peer.unprotect(ours, all[i].rtcp) == Drop::none;
      REQUIRE(accepts == expected);
      if (!expected) continue;
      REQUIRE(hex(ours) == hex(theirs));
      REQUIRE(hex(ours) == hex(all[i].plain));
      ++accepted;
    }
    CHECK(peer.in.packets() == accepted);
    CHECK(accepted > 80);
  });
}

TEST_CASE("a stream that ran for long keeps in step over several rollovers") {
  for_each_suite(13, [](Cipher& cipher, const MasterKey& key, Random& random) {
    Peer peer(cipher, key);
    Oracle oracle(key);
    uint64_t index = random.below(1000);
    uint64_t seen = 0;
    for (int i = 0; i < 60; ++i, index += random.between(1, 30000)) {
      const Plain p = random_rtp(random, kSsrcs[0], static_cast<uint16_t>(index));
      const Packet wire = oracle.protect(p.bytes, false);
      REQUIRE(hex(peer.protect(p.bytes, false, p.header_len)) == hex(wire));
      Packet packet = wire;
      REQUIRE(peer.unprotect(packet, false, &seen) == Drop::none);
      REQUIRE(seen == index);
    }
    CHECK(index > 0x30000);
  });
}
