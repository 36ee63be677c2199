// What an attacker or a bad network may send: each packet is refused for one reason, and costs nothing later.
#include "tests/unit/srtp/oracle.h"

using namespace srtp_test;

namespace {

constexpr uint32_t kSsrc = 0xcafebabe;

Plain voice(uint16_t seq) { return rtp_packet(kSsrc, seq, Packet(20, 0x5a)); }

Drop deliver(Peer& to, Packet packet, bool rtcp = false) { return to.unprotect(packet, rtcp); }

}  // namespace

TEST_CASE("a packet with any one bit changed is refused and the true one still accepted") {
  for_each_suite(20, [](Cipher& cipher, const MasterKey& key, Random& random) {
    Peer peer(cipher, key);
    for (const bool rtcp : {false, true}) {
      const Plain first = rtcp ? rtcp_compound(random, kSsrc, 2) : voice(1000);
      const Plain second = rtcp ? rtcp_compound(random, kSsrc, 2) : voice(1001);
      REQUIRE(deliver(peer, peer.protect(first.bytes, rtcp, first.header_len), rtcp) == Drop::none);
      const Packet wire = peer.protect(second.bytes, rtcp, second.header_len);
      const uint64_t before = peer.in.packets();
      // Every bit where it is cheap, every seventh with libsrtp on NSS.
      const size_t step = cipher.kind() == Kind::libsrtp ? 7 : 1;
      for (size_t bit = 0; bit < 8 * wire.size(); bit += step) {
        Packet bad = wire;
        bad[bit / 8] ^= static_cast<uint8_t>(1u << bit % 8);
        const Drop why = peer.unprotect(bad, rtcp);
        CAPTURE(bit);
        REQUIRE(why != Drop::none);
        const bool known = why == Drop::srtp_auth || why == Drop::srtp_old || why == Drop::srtp_replay ||
                           why == (rtcp ? Drop::rtcp_malformed : Drop::rtp_malformed);
        REQUIRE(known);
      }
      CHECK(peer.in.packets() == before);
      CHECK(peer.in.rtp_streams() == 1);
      CHECK(deliver(peer, wire, rtcp) == Drop::none);
    }
  });
}

TEST_CASE("every truncation is refused without a byte read behind it") {
  for_each_suite(21, [](Cipher& cipher, const MasterKey& key, Random& random) {
    Peer peer(cipher, key);
    for (const bool rtcp : {false, true}) {
      const Plain plain = rtcp ? rtcp_compound(random, kSsrc, 1) : random_rtp(random, kSsrc, 9);
      const Packet wire = peer.protect(plain.bytes, rtcp, plain.header_len);
      const size_t step = cipher.kind() == Kind::libsrtp ? 11 : 1;
      for (size_t n = 0; n < wire.size(); n += n < 64 ? 1 : step) {
        // An allocation of its own for every length, so that a sanitizer sees the end.
        Packet cut(wire.begin(), wire.begin() + static_cast<long>(n));
        cut.shrink_to_fit();
        REQUIRE(peer.unprotect(cut, rtcp) != Drop::none);
      }
      CHECK(deliver(peer, wire, rtcp) == Drop::none);
    }
  });
}

TEST_CASE("a header that promises more than the packet holds is malformed") {
  const auto cipher = make_cipher(Kind::automatic);
  Random random(22);
  Peer peer(*cipher, random_key(Profile::aead_aes_128_gcm, random));
  Packet p = voice(1).bytes;
  p.resize(12 + 15 * 4 + 15);
  p[0] = 0x8f;
  CHECK(deliver(peer, p) == Drop::rtp_malformed);
  p.push_back(0);
  CHECK(deliver(peer, p) == Drop::srtp_auth);
  p[0] = 0x9f;
  p.resize(12 + 15 * 4 + 3);
  CHECK(deliver(peer, p) == Drop::rtp_malformed);
  p.resize(12 + 15 * 4 + 20, 0xff);
  CHECK(deliver(peer, p) == Drop::rtp_malformed);
  p[0] = 0x40;
  CHECK(deliver(peer, p) == Drop::rtp_malformed);
  CHECK(deliver(peer, p, true) == Drop::rtcp_malformed);
  CHECK(deliver(peer, Packet(27, 0x80), true) == Drop::rtcp_malformed);
  CHECK(deliver(peer, Packet(28, 0x80), true) == Drop::srtp_auth);
}

TEST_CASE("a replay is told from a packet that is too old") {
  for_each_suite(23, [](Cipher& cipher, const MasterKey& key, Random&) {
    Peer peer(cipher, key);
    std::vector<Packet> wire;
    for (uint16_t i = 0; i < 600; ++i) {
      const Plain p = voice(static_cast<uint16_t>(65500 + i));
      wire.push_back(peer.protect(p.bytes, false, p.header_len));
    }
    CHECK(deliver(peer, wire[0]) == Drop::none);
    CHECK(deliver(peer, wire[0]) == Drop::srtp_replay);
    CHECK(deliver(peer, wire[534]) == Drop::none);
    CHECK(deliver(peer, wire[0]) == Drop::srtp_old);
    CHECK(deliver(peer, wire[22]) == Drop::srtp_old);
    CHECK(deliver(peer, wire[23]) == Drop::none);
    CHECK(deliver(peer, wire[23]) == Drop::srtp_replay);
    CHECK(deliver(peer, wire[583]) == Drop::none);
    CHECK(deliver(peer, wire[71]) == Drop::srtp_old);
    CHECK(deliver(peer, wire[72]) == Drop::none);
    CHECK(deliver(peer, wire[300]) == Drop::none);
  });
}

TEST_CASE("SRTCP is replayed no better") {
  for_each_suite(24, [](Cipher& cipher, const MasterKey& key, Random& random) {
    Peer peer(cipher, key);
    peer.out.restore_control(1);  // where libsrtp begins
    std::vector<Packet> wire;
    for (int i = 0; i < 70; ++i) wire.push_back(peer.protect(rtcp_compound(random, kSsrc, 1).bytes, true, 8));
    uint64_t index = 0;
    Packet last = wire[69];
    CHECK(peer.unprotect(last, true, &index) == Drop::none);
    CHECK(index == 70);
    CHECK(deliver(peer, wire[69], true) == Drop::srtp_replay);
    CHECK(deliver(peer, wire[5], true) == Drop::srtp_old);
    CHECK(deliver(peer, wire[6], true) == Drop::none);
    CHECK(deliver(peer, wire[6], true) == Drop::srtp_replay);
  });
}

TEST_CASE("a fifth SSRC is refused, and forged ones take no place") {
  for_each_suite(25, [](Cipher& cipher, const MasterKey& key, Random& random) {
    Peer peer(cipher, key);
    Oracle oracle(key);
    for (uint32_t ssrc = 0; ssrc < 50; ++ssrc) {
      Packet forged = random_rtp(random, 1000 + ssrc, 1).bytes;
      forged.resize(forged.size() + 16);
      CHECK(deliver(peer, forged) == Drop::srtp_auth);
    }
    CHECK(peer.in.rtp_streams() == 0);
    for (uint32_t ssrc = 0; ssrc < 4; ++ssrc) {
      CHECK(deliver(peer, oracle.protect(random_rtp(random, ssrc, 1).bytes, false)) == Drop::none);
      CHECK(deliver(peer, oracle.protect(rtcp_compound(random, ssrc, 1).bytes, true), true) == Drop::none);
    }
    CHECK(deliver(peer, oracle.protect(random_rtp(random, 4, 1).bytes, false)) ==
          Drop::srtp_too_many_streams);
    CHECK(deliver(peer, oracle.protect(rtcp_compound(random, 4, 1).bytes, true), true) ==
          Drop::srtp_too_many_streams);
    CHECK(deliver(peer, oracle.protect(random_rtp(random, 3, 2).bytes, false)) == Drop::none);
    CHECK(peer.in.rtp_streams() == 4);

    Drop why = Drop::none;
    for (uint32_t ssrc = 0; ssrc < 5; ++ssrc) {
      const Plain p = random_rtp(random, ssrc, 1);
      CHECK(peer.protect(p.bytes, false, p.header_len, &why).empty() == (ssrc == 4));
    }
    CHECK(why == Drop::srtp_too_many_streams);
  });
}

TEST_CASE("another key's packets are refused") {
  for_each_suite(26, [](Cipher& cipher, const MasterKey& key, Random& random) {
    Peer peer(cipher, key);
    MasterKey other = key;
    other.key[5] ^= 1;
    Oracle oracle(other);
    CHECK(deliver(peer, oracle.protect(voice(1).bytes, false)) == Drop::srtp_auth);
    CHECK(deliver(peer, oracle.protect(rtcp_compound(random, kSsrc, 1).bytes, true), true) ==
          Drop::srtp_auth);
  });
}
