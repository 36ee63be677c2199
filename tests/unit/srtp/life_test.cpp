// From opening to exhaustion: restored streams, retransmission, key life, cleansing and allocation.
#include <algorithm>
#include <atomic>

#include <openssl/crypto.h>

#include "tests/unit/srtp/oracle.h"

using namespace srtp_test;

namespace {

std::atomic<long> allocations;
void* counted_malloc(size_t n, const char*, int) { return ++allocations, std::malloc(n); }
void* counted_realloc(void* p, size_t n, const char*, int) { return ++allocations, std::realloc(p, n); }
void plain_free(void* p, const char*, int) { std::free(p); }
// OpenSSL accepts this only before its own first allocation.
const int kHooked = CRYPTO_set_mem_functions(counted_malloc, counted_realloc, plain_free);

constexpr uint32_t kSsrc = 7;

Drop sends(Peer& peer, uint32_t ssrc, uint16_t seq) {
  Drop why = Drop::none;
  const Plain p = rtp_packet(ssrc, seq, Packet(30, 1));
  peer.protect(p.bytes, false, p.header_len, &why);
  return why;
}

}  // namespace

TEST_CASE("a retransmission is the same bytes again, before and after a rollover") {
  for_each_suite(30, [](Cipher& cipher, const MasterKey& key, Random& random) {
    Peer peer(cipher, key);
    std::vector<std::pair<Plain, Packet>> sent;
    for (uint16_t i = 0; i < 40; ++i) {
      const Plain p = random_rtp(random, kSsrc, static_cast<uint16_t>(65520 + i));
      sent.emplace_back(p, peer.protect(p.bytes, false, p.header_len));
    }
    for (int i = 0; i < 60; ++i) {
      const auto& [plain, wire] = sent[random.below(sent.size())];
      CHECK(hex(peer.protect(plain.bytes, false, plain.header_len)) == hex(wire));
    }
  });
}

TEST_CASE("what precedes the first packet of a stream has no index and is not sent") {
  for_each_suite(31, [](Cipher& cipher, const MasterKey& key, Random&) {
    Peer peer(cipher, key);
    CHECK(sends(peer, kSsrc, 3) == Drop::none);
    CHECK(sends(peer, kSsrc, 65535) == Drop::srtp_old);
    CHECK(sends(peer, kSsrc, 2) == Drop::none);
    CHECK(sends(peer, kSsrc, 4) == Drop::none);
  });
}

TEST_CASE("a key ends with its last index") {
  for_each_suite(32, [](Cipher& cipher, const MasterKey& key, Random&) {
    Peer peer(cipher, key);
    REQUIRE(peer.out.restore(kSsrc, kIndexEnd - 3));
    REQUIRE(peer.in.restore(kSsrc, kIndexEnd - 3));
    CHECK_FALSE(peer.in.restore(kSsrc, 5));
    const Plain p = rtp_packet(kSsrc, 65534, Packet(30, 1));
    Packet wire = peer.protect(p.bytes, false, 12);
    const Packet copy = wire;
    CHECK(peer.unprotect(wire, false) == Drop::none);
    CHECK(hex(wire) == hex(p.bytes));
    wire = copy;
    CHECK(peer.unprotect(wire, false) == Drop::srtp_replay);
    CHECK(sends(peer, kSsrc, 65535) == Drop::none);
    CHECK(sends(peer, kSsrc, 0) == Drop::srtp_key_exhausted);
    Packet beyond = rtp_packet(kSsrc, 0, Packet(30, 1)).bytes;
    CHECK(peer.unprotect(beyond, false) == Drop::srtp_key_exhausted);
  });
}

TEST_CASE("a key ends after 2^48 packets of all its streams together") {
  Random random(33);
  const auto cipher = make_cipher(Kind::automatic);
  Peer peer(*cipher, random_key(Profile::aead_aes_128_gcm, random));
  REQUIRE(peer.out.restore(1, kIndexEnd / 2));
  REQUIRE(peer.out.restore(2, kIndexEnd / 2 - 3));
  CHECK(peer.out.packets() == kIndexEnd - 1);
  CHECK(sends(peer, 1, 1) == Drop::none);
  CHECK(sends(peer, 1, 2) == Drop::srtp_key_exhausted);
}

TEST_CASE("a key ends after 2^31 SRTCP packets, for RTP too") {
  for_each_suite(34, [](Cipher& cipher, const MasterKey& key, Random& random) {
    if (cipher.kind() == Kind::libsrtp) return;  // it counts SRTCP by itself
    Peer peer(cipher, key);
    peer.out.restore_control(kControlIndexEnd - 1);
    const Plain p = rtcp_compound(random, kSsrc, 3);
    Packet wire = peer.protect(p.bytes, true, 8);
    uint64_t index = 0;
    CHECK(peer.unprotect(wire, true, &index) == Drop::none);
    CHECK(index == kControlIndexEnd - 1);
    CHECK(hex(wire) == hex(p.bytes));
    Drop why = Drop::none;
    CHECK(peer.protect(p.bytes, true, 8, &why).empty());
    CHECK(why == Drop::srtp_key_exhausted);
    CHECK(sends(peer, kSsrc, 1) == Drop::srtp_key_exhausted);
  });
}

TEST_CASE("a restored stream goes on where it was, in the middle of any rollover") {
  for_each_suite(35, [](Cipher& cipher, const MasterKey& key, Random& random) {
    const uint64_t newest = (random.between(1, 0xffff0000) << 16) | 0xfffe;
    Peer old(cipher, key), next(cipher, key);
    for (Peer* peer : {&old, &next}) REQUIRE(peer->out.restore(kSsrc, newest));
    REQUIRE(next.in.restore(kSsrc, newest));
    for (int i = 1; i < 6; ++i) {
      const Plain p = random_rtp(random, kSsrc, static_cast<uint16_t>(newest + static_cast<uint64_t>(i)));
      Packet wire = old.protect(p.bytes, false, p.header_len);
      CHECK(hex(next.protect(p.bytes, false, p.header_len)) == hex(wire));
      uint64_t index = 0;
      CHECK(next.unprotect(wire, false, &index) == Drop::none);
      CHECK(index == newest + static_cast<uint64_t>(i));
    }
    Packet replayed = old.protect(rtp_packet(kSsrc, 0xfffe, Packet(5)).bytes, false, 12);
    CHECK(next.unprotect(replayed, false) == Drop::srtp_replay);
  });
}

TEST_CASE("closing cleanses the context and refuses everything after") {
  for_each_suite(36, [](Cipher& cipher, const MasterKey& key, Random&) {
    Peer peer(cipher, key);
    CHECK(sends(peer, kSsrc, 1) == Drop::none);
    peer.in.close(cipher);
    peer.out.close(cipher);
    const auto zero = [](std::byte b) { return b == std::byte{0}; };
    CHECK(std::ranges::all_of(peer.in_context->bytes, zero));
    CHECK(std::ranges::all_of(peer.out_context->bytes, zero));
    CHECK(sends(peer, kSsrc, 2) == Drop::srtp_no_keys);
    Packet p = rtp_packet(kSsrc, 2, Packet(40)).bytes;
    CHECK(peer.unprotect(p, false) == Drop::srtp_no_keys);
    CHECK_FALSE(peer.in.restore(kSsrc, 1));
    REQUIRE(peer.in.open(cipher, peer.in_context->span(), key));
    REQUIRE(peer.out.open(cipher, peer.out_context->span(), key));
    CHECK(sends(peer, kSsrc, 1) == Drop::none);
  });
}

TEST_CASE("contexts are as large as a session's slab is told") {
  for (const Kind kind : kAllKinds) {
    const auto cipher = make_cipher(kind);
    CHECK(cipher->kind() == kind);
    for (const Profile p : kProfiles) {
      CHECK(cipher->context_bytes(p) <= kMaxContextBytes);
      CHECK(cipher->context_bytes(p) % kContextAlign == 0);
    }
  }
  const auto ipsec = make_cipher(Kind::ipsec_mb), openssl = make_cipher(Kind::openssl);
  CHECK(ipsec->context_bytes(Profile::aead_aes_128_gcm) == 2112);
  CHECK(ipsec->context_bytes(Profile::aead_aes_256_gcm) == 2112);
  CHECK(ipsec->context_bytes(Profile::aes_cm_128_hmac_sha1_80) == 576);
  CHECK(openssl->context_bytes(Profile::aead_aes_128_gcm) == 128);
  CHECK(openssl->context_bytes(Profile::aes_cm_128_hmac_sha1_80) == 512);
}

TEST_CASE("the backends of a shard make OpenSSL allocate neither per session nor per packet") {
  REQUIRE(kHooked == 1);
  for (const Kind kind : kOwnKinds) {
    CAPTURE(name(kind));
    const auto cipher = make_cipher(kind);
    REQUIRE(cipher->allocation_free());
    auto memory = std::make_unique<std::array<Context, 2>>();
    Random random(37);
    // The first round may set up what OpenSSL keeps per thread.
    long before = 0;
    for (int round = 0; round < 3; ++round) {
      if (round == 1) before = allocations;
      for (const Profile profile : kProfiles) {
        const MasterKey key = random_key(profile, random);
        Inbound in;
        Outbound out;
        REQUIRE(in.open(*cipher, (*memory)[0].span(), key));
        REQUIRE(out.open(*cipher, (*memory)[1].span(), key));
        for (uint16_t seq = 1; seq < 9; ++seq) {
          Packet packet = rtp_packet(kSsrc, seq, Packet(160)).bytes;
          packet.resize(packet.size() + kMaxOverhead);
          TxJob tx{.out = &out,
                   .dst = packet.data(),
                   .header_len = 12,
                   .payload = packet.data() + 12,
                   .payload_len = 160};
          protect(*cipher, {&tx, 1});
          if (seq % 2 == 0) packet[30] ^= 1;
          RxJob rx{.in = &in, .data = packet.data(), .len = tx.out_len};
          unprotect(*cipher, {&rx, 1});
          REQUIRE(rx.result == (seq % 2 == 0 ? Drop::srtp_auth : Drop::none));
        }
        in.close(*cipher);
        out.close(*cipher);
      }
    }
    CHECK(allocations == before);
  }
}
