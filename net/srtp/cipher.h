// The seam behind which SRTP's ciphers stand. Whoever implements it turns (keys, IV, header, payload) into
// ciphertext and tag; packet index, rollover, replay and key derivation are not its affair.
// Virtual per burst, never per packet.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "net/srtp/keys.h"
#include "net/srtp/profile.h"

namespace sluice::srtp {

enum class Kind : uint8_t {
  automatic,  ///< ipsec_mb where the CPU has AES and carry-less multiplication, else openssl
  ipsec_mb,   ///< Intel ipsec-mb, multi-buffer
  openssl,    ///< OpenSSL 3 EVP
  libsrtp,    ///< libsrtp 2: slow, allocates per session and stream; what the tests compare with
};

/// "auto", "ipsec-mb", "openssl", "libsrtp".
std::string_view name(Kind k);
std::optional<Kind> parse_kind(std::string_view s);

enum class Direction : uint8_t { inbound, outbound };

/// Packets per call of seal() and open(); as many as ipsec-mb hashes at once.
inline constexpr size_t kBurst = 16;

/// How many packets before their turn keys are asked for (measured: 8 to 48 differ by little, 32 is best).
inline constexpr size_t kAhead = 2 * kBurst;

/// One packet for a cipher: `header_len` bytes in the clear at `packet`, `payload_len` bytes of payload, then
/// for RTCP the word {E, index}, then the tag (RFC 3711 §3.1, §3.4; RFC 7714 §9.1 has the tag before the
/// word).
struct CipherOp {
  const std::byte* context;  ///< as given to init()
  uint8_t* packet;           ///< header; the payload stands or will stand behind it
  const uint8_t* payload;    ///< seal(): plaintext, here or elsewhere; open(): unused
  uint16_t header_len;
  uint16_t payload_len;
  Profile profile;
  bool rtcp;
  bool encrypted;  ///< false: an SRTCP packet with E = 0, authenticated only
  bool ok;         ///< out
  uint32_t word;   ///< RTP: ROC, authenticated by AES-CM profiles and never sent. RTCP: E bit and index
  uint32_t ssrc;   ///< of the header
  std::array<uint8_t, 16> iv;  ///< RFC 3711 §4.1.1 (16 bytes, counter 0) or RFC 7714 §8.1, §9.1 (12 bytes)
};

/// One per shard; every call from that shard's thread.
class Cipher {
 public:
  virtual ~Cipher() = default;
  Cipher(const Cipher&) = delete;
  Cipher& operator=(const Cipher&) = delete;

  /// Allocates all it will ever need (libsrtp excepted). An error says in words what the machine lacks.
  /// `automatic` fails only if OpenSSL does.
  static std::expected<std::unique_ptr<Cipher>, std::string> make(Kind kind);

  virtual Kind kind() const = 0;
  /// False only for libsrtp, which allocates when a context is made and when a stream first appears: the one
  /// backend that a shard must exempt from its allocation trap.
  virtual bool allocation_free() const { return true; }

  /// Bytes of one direction's context: a multiple of 64, at most kMaxContextBytes. RTP's keys stand in front
  /// of RTCP's, so what a media packet touches is together. ipsec-mb 2112 (AEAD) or 576; OpenSSL 128 or 512;
  /// libsrtp 128 and 17 to 29 KiB of heap. Memory in 2 MiB pages takes a quarter off an AEAD hop at 20 000
  /// sessions.
  virtual size_t context_bytes(Profile p) const = 0;

  /// Derives the session keys of `key` and writes them, expanded, into `context` (64-byte aligned, at least
  /// context_bytes(key.profile) long, not in use). False if the library refuses (libsrtp out of memory).
  /// `salts` is filled with the session salts: they belong to the IV, hence to the caller.
  struct Salts {
    std::array<uint8_t, 14> rtp{};
    std::array<uint8_t, 14> rtcp{};
  };
  bool init(std::span<std::byte> context, const MasterKey& key, Direction direction, Salts& salts);
  /// The same from session keys. False for libsrtp, which insists on deriving them itself.
  bool install(std::span<std::byte> context, const SessionKeys& keys);
  /// Cleanses; the memory may be used again.
  void release(std::span<std::byte> context, Profile p);

  /// Encrypts and authenticates at most kBurst packets; writes payload, RTCP word and tag behind the header.
  virtual void seal(std::span<CipherOp> ops) = 0;
  /// Authenticates, and decrypts in place, at most kBurst packets. Where `ok` is false the packet's bytes
  /// behind the header are undefined.
  virtual void open(std::span<CipherOp> ops) = 0;
  /// Starts to load the keys that an RTP packet needs. Any address is harmless.
  virtual void prefetch(const std::byte* context, Profile p) const = 0;

 protected:
  Cipher() = default;
  /// `master` is null when the session keys are not derived from one.
  virtual bool do_init(std::byte* context, const SessionKeys& keys, const MasterKey* master,
                       Direction direction) = 0;
  virtual void do_release(std::byte* context, Profile p) = 0;

 private:
  KeyDerivation derivation_;
};

/// Enough for any backend and profile: an engine that sizes its slabs before it knows both.
inline constexpr size_t kMaxContextBytes = 2112;
inline constexpr size_t kContextAlign = 64;

}  // namespace sluice::srtp
