// Known answers of RFC 3711 appendix B, RFC 6188 §7.2 and RFC 7714 §16, §17, against every backend that takes
// session keys.
#include "net/srtp/packet_iv.h"
#include "tests/unit/srtp/harness.h"

using namespace srtp_test;

namespace {

MasterKey master(Profile p, std::string_view key, std::string_view salt) {
  MasterKey m;
  m.profile = p;
  const Packet k = unhex(key), s = unhex(salt);
  std::copy(k.begin(), k.end(), m.key.begin());
  std::copy(s.begin(), s.end(), m.salt.begin());
  return m;
}

std::string derived(KeyDerivation& kdf, const MasterKey& m, uint8_t label, size_t n) {
  Packet out(n);
  kdf.derive(m, label, out);
  return hex(out);
}

struct Gcm {
  Profile profile;
  std::string_view key, rtp_sealed, rtp_tagged, rtcp_sealed, rtcp_tagged;
};

constexpr std::string_view kRtp =
    "8040f17b8041f8d35501a0b247616c6c696120657374206f6d6e6973206469766973612069"
    "6e207061727465732074726573";
constexpr std::string_view kRtcp =
    "81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61"
    "deadbeefdeadbeefdeadbeefdeadbeefdeadbeef";
constexpr uint32_t kRtcpIndex = 0x5d4;

constexpr Gcm kGcm[] = {
    {Profile::aead_aes_128_gcm, "000102030405060708090a0b0c0d0e0f",
     // §16.1.1, §16.1.2
     "8040f17b8041f8d35501a0b2f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833899"
     "d"
     "7f27beb16a9152cf765ee4390cce",
     // §16.1.3, §16.1.4
     "8040f17b8041f8d35501a0b247616c6c696120657374206f6d6e69732064697669736120696e207061727465732074726573"
     "22493f82d2bce397e9d79e3b19aa4216",
     // §17.1
     "81c8000d4d61727363e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda4ce09b4686303ded0bb9275"
     "b"
     "c84aa45896cf4d2fc5abf87245d9eade800005d4",
     // §17.3
     "81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61deadbeefdeadbeefdeadbeefdeadbeefdeadbee"
     "f"
     "841dd9683dd78ec92ae58790125f62b3000005d4"},
    {Profile::aead_aes_256_gcm, "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
     // §16.2.1, §16.2.2
     "8040f17b8041f8d35501a0b232b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b7aa"
     "3"
     "db36dfffd6b0f9bb7878d7a76c13",
     // §16.2.3, §16.2.4
     "8040f17b8041f8d35501a0b247616c6c696120657374206f6d6e69732064697669736120696e207061727465732074726573"
     "a866d5910f887463067ceefec45215d4",
     // §17.2
     "81c8000d4d617273d50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50a2eaa5c1110555be8415f658c61de0476f1b6fa"
     "d"
     "1d1eb30c4446839f57ff6f6cb26ac3be800005d4",
     // §17.4
     "81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61deadbeefdeadbeefdeadbeefdeadbeefdeadbee"
     "f"
     "91db4afbfeee5a978fab4393ed2615fe000005d4"}};

/// Seals `plain`, of which `header_len` bytes stay clear; then opens the result.
void seals_to(Cipher& cipher, CipherOp op, const Packet& plain, size_t header_len, std::string_view sealed) {
  Packet buffer = plain;
  buffer.resize(plain.size() + kMaxOverhead);
  op.packet = buffer.data();
  op.header_len = static_cast<uint16_t>(header_len);
  op.payload = buffer.data() + header_len;
  op.payload_len = static_cast<uint16_t>(plain.size() - header_len);
  cipher.seal({&op, 1});
  CHECK(op.ok);
  buffer.resize(plain.size() + overhead_bytes(op.profile, op.rtcp));
  CHECK(hex(buffer) == sealed);
  op.ok = false;
  cipher.open({&op, 1});
  CHECK(op.ok);
  buffer.resize(plain.size());
  CHECK(hex(buffer) == hex(plain));
}

}  // namespace

TEST_CASE("session keys are those of RFC 3711 appendix B.3") {
  KeyDerivation kdf;
  const MasterKey m = master(Profile::aes_cm_128_hmac_sha1_80, "E1F97A0D3E018BE0D64FA32C06DE4139",
                             "0EC675AD498AFEEBB6960B3AABE6");
  CHECK(derived(kdf, m, 0, 16) == "c61e7a93744f39ee10734afe3ff7a087");
  CHECK(derived(kdf, m, 2, 14) == "30cbbc08863d8c85d49db34a9ae1");
  CHECK(derived(kdf, m, 1, 94) ==
        "cebe321f6ff7716b6fd4ab49af256a156d38baa48f0a0acf3c34e2359e6cdbcee049646c43d9327ad175578ef7227098"
        "6371c10c9a369ac2f94a8c5fbcdddc256d6e919a48b610ef17c2041e474035766b68642c59bbfc2f34db60dbdfb2");
  SessionKeys keys;
  kdf.derive(m, keys);
  CHECK(hex(Bytes(keys.rtp.cipher).first(16)) == "c61e7a93744f39ee10734afe3ff7a087");
  CHECK(hex(keys.rtp.auth) == "cebe321f6ff7716b6fd4ab49af256a156d38baa4");
  CHECK(hex(keys.rtp.salt) == "30cbbc08863d8c85d49db34a9ae1");
  CHECK(hex(Bytes(keys.rtcp.cipher).first(16)) == derived(kdf, m, 3, 16));
  CHECK(hex(keys.rtcp.auth) == derived(kdf, m, 4, 20));
  CHECK(hex(keys.rtcp.salt) == derived(kdf, m, 5, 14));
}

TEST_CASE("a 256-bit master key derives what RFC 6188 §7.2 says") {
  KeyDerivation kdf;
  const MasterKey m =
      master(Profile::aead_aes_256_gcm, "f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6",
             "3b04803de51ee7c96423ab5b78d2");
  CHECK(derived(kdf, m, 0, 32) == "5ba1064e30ec51613cad926c5a28ef731ec7fb397f70a960653caf06554cd8c4");
  CHECK(derived(kdf, m, 2, 14) == "fa31791685ca444a9e07c6c64e93");
}

TEST_CASE("AES-CM makes the key stream of RFC 3711 appendix B.2") {
  struct {
    uint16_t counter;
    std::string_view stream;
  } const cases[] = {
      {0x0000,
       "e03ead0935c95e80e166b16dd92b4eb4d23513162b02d0f72a43a2fe4a5f97ab41e95b3bb0a2e8dd477901e4fca894c0"},
      {0xfeff,
       "ec8cdf7398607cb0f2d21675ea9ea1e4362b7c3c6773516318a077d7fc5073ae6a2cc3787889374fbeb4c81b17ba6c44"}};
  SessionKeys keys;
  keys.profile = Profile::aes_cm_128_hmac_sha1_80;
  const Packet key = unhex("2b7e151628aed2a6abf7158809cf4f3c"),
               iv = unhex("f0f1f2f3f4f5f6f7f8f9fafbfcfd0000");
  std::copy(key.begin(), key.end(), keys.rtp.cipher.begin());
  for (const Kind kind : kOwnKinds)
    for (const auto& c : cases) {
      CAPTURE(name(kind));
      const auto cipher = make_cipher(kind);
      Context context;
      REQUIRE(cipher->install(context.span(), keys));
      Packet packet = rtp_packet(0, 0, Packet(48)).bytes;
      packet.resize(packet.size() + kMaxOverhead);
      CipherOp op{};
      op.context = context.bytes.data();
      op.packet = packet.data();
      op.payload = packet.data() + 12;
      op.header_len = 12;
      op.payload_len = 48;
      op.profile = keys.profile;
      op.encrypted = true;
      std::copy(iv.begin(), iv.end(), op.iv.begin());
      store_be<uint16_t>(op.iv.data() + 14, c.counter);
      cipher->seal({&op, 1});
      CHECK(op.ok);
      CHECK(hex(Bytes(packet).subspan(12, 48)) == c.stream);
    }
}

TEST_CASE("AES-GCM seals and opens the packets of RFC 7714 §16 and §17") {
  const Packet salt = unhex("517569642070726f2071756f"), rtp = unhex(kRtp), rtcp = unhex(kRtcp);
  std::array<uint8_t, 14> session_salt{};
  std::copy(salt.begin(), salt.end(), session_salt.begin());
  for (const Kind kind : kOwnKinds)
    for (const Gcm& v : kGcm) {
      CAPTURE(name(kind));
      CAPTURE(name(v.profile));
      const auto cipher = make_cipher(kind);
      SessionKeys keys;
      keys.profile = v.profile;
      const Packet key = unhex(v.key);
      std::copy(key.begin(), key.end(), keys.rtp.cipher.begin());
      keys.rtcp = keys.rtp;
      Context context;
      REQUIRE(cipher->install(context.span(), keys));

      CipherOp op{};
      op.context = context.bytes.data();
      op.profile = v.profile;
      op.encrypted = true;
      op.iv = packet_iv(v.profile, session_salt, 0x5501a0b2, 0xf17b);
      CHECK(hex(Bytes(op.iv).first(12)) == "51753c6580c2726f20718414");
      seals_to(*cipher, op, rtp, 12, v.rtp_sealed);
      seals_to(*cipher, op, rtp, rtp.size(), v.rtp_tagged);

      op.rtcp = true;
      op.iv = packet_iv(v.profile, session_salt, 0x4d617273, kRtcpIndex);
      op.word = 0x80000000 | kRtcpIndex;
      seals_to(*cipher, op, rtcp, 8, v.rtcp_sealed);
      op.encrypted = false;
      op.word = kRtcpIndex;
      seals_to(*cipher, op, rtcp, 8, v.rtcp_tagged);
    }
}

TEST_CASE("keying material is split in the order of RFC 5764 §4.2") {
  for (const Profile p : kProfiles) {
    Packet material(exported_bytes(p));
    for (size_t i = 0; i < material.size(); ++i) material[i] = static_cast<uint8_t>(i);
    const auto keys = split_exported(p, material);
    REQUIRE(keys.has_value());
    const size_t k = key_bytes(p), s = salt_bytes(p);
    CHECK(hex(Bytes(keys->client.key).first(k)) == hex(Bytes(material).first(k)));
    CHECK(hex(Bytes(keys->server.key).first(k)) == hex(Bytes(material).subspan(k, k)));
    CHECK(hex(Bytes(keys->client.salt).first(s)) == hex(Bytes(material).subspan(2 * k, s)));
    CHECK(hex(Bytes(keys->server.salt).first(s)) == hex(Bytes(material).subspan(2 * k + s, s)));
    CHECK(keys->client.profile == p);
    material.pop_back();
    CHECK_FALSE(split_exported(p, material).has_value());
  }
}

TEST_CASE("profiles have the ids, lengths and names that DTLS-SRTP gives them") {
  CHECK(profile_from_id(1) == Profile::aes_cm_128_hmac_sha1_80);
  CHECK(profile_from_id(7) == Profile::aead_aes_128_gcm);
  CHECK(profile_from_id(8) == Profile::aead_aes_256_gcm);
  CHECK_FALSE(profile_from_id(2).has_value());
  CHECK(exported_bytes(Profile::aes_cm_128_hmac_sha1_80) == 60);
  CHECK(exported_bytes(Profile::aead_aes_128_gcm) == 56);
  CHECK(exported_bytes(Profile::aead_aes_256_gcm) == 88);
  CHECK(overhead_bytes(Profile::aes_cm_128_hmac_sha1_80, true) == 14);
  CHECK(overhead_bytes(Profile::aead_aes_256_gcm, true) == kMaxOverhead);
  CHECK(name(Profile::aead_aes_128_gcm) == "AEAD_AES_128_GCM");
}

TEST_CASE("backends are named on the command line and auto finds one") {
  for (const Kind k : {Kind::automatic, Kind::ipsec_mb, Kind::openssl, Kind::libsrtp})
    CHECK(parse_kind(name(k)) == k);
  CHECK_FALSE(parse_kind("Openssl").has_value());
  const auto cipher = make_cipher(Kind::automatic);
  CHECK(cipher->kind() != Kind::automatic);
  CHECK(cipher->kind() != Kind::libsrtp);
  CHECK(cipher->allocation_free());
}
