// The fleet's keys out of key files: parsing, derivation, and what is made with them. The daemon, `sluice
// token` and whoever embeds the engine get the same keys from the same text. Control side; never logs.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/relay/config.h"
#include "net/crypto/primitives.h"
#include "net/ice/ufrag.h"

namespace sluice::engine::relay {

inline constexpr size_t kSecretBytesMin = 16;
inline constexpr size_t kSecretBytesMax = 4096;

/// One line of a key file. Its text is overwritten when it goes out of scope.
class KeyLine {
 public:
  KeyLine(uint8_t id, std::string text) : id_(id), text_(std::move(text)) {}
  KeyLine(const KeyLine&) = default;
  KeyLine(KeyLine&& other) noexcept : id_(other.id_), text_(other.text_) { other.wipe(); }
  KeyLine& operator=(const KeyLine&) = delete;
  ~KeyLine() { wipe(); }

  uint8_t id() const { return id_; }
  std::string_view text() const { return text_; }

 private:
  void wipe();
  uint8_t id_;
  std::string text_;
};

/// Lines of "[ID:]SECRET", ID 0..15, SECRET kSecretBytesMin..kSecretBytesMax bytes of printable ASCII; empty
/// lines are skipped. The first line is the one that mints and needs no ID (it is 0 then); every other line
/// has one. The error is a sentence that holds nothing of a secret.
std::expected<std::vector<KeyLine>, std::string> parse_keys(std::string_view text);

/// HMAC-SHA256 under the line's text of a label of its own for each purpose, cut to length.
std::array<uint8_t, crypto::AesBlock::kKeyBytes> derive_route_key(std::string_view secret);
ice::IceKey derive_ice_key(std::string_view secret);
std::array<uint8_t, kTrunkKeyBytes> derive_trunk_key(std::string_view secret);

/// The keys of both files' text, the minting one first; `ice` may be empty: a relay's. Every ID of `ice` has
/// to be in `route` too. `field` of an error is "route_key" or "ice_key".
struct KeyError {
  std::string_view field;
  std::string message;
};
std::expected<std::vector<FleetKey>, KeyError> fleet_keys(std::string_view route, std::string_view ice);

/// Overwrites what is secret in it.
void wipe(FleetKey& key);
void wipe(std::string& secret);
void wipe(TurnConfig& config);

/// Longest life of a minted ufrag, seconds.
inline constexpr uint32_t kUfragTtlMax = 7 * 24 * 3600;

struct Minted {
  ice::Ufrag ufrag{};
  std::optional<ice::Password> password;  ///< if the key has an ICE key
};
/// A ufrag that leads to `server`, for a session of its own that no engine knows. Good for at least `ttl_s`
/// (1..kUfragTtlMax) seconds, at most ten minutes more. Makes a cipher context: not for shards.
Minted mint(const FleetKey& key, ServerId server, uint64_t unix_s, uint32_t ttl_s, crypto::Random random);

inline constexpr size_t kTurnUserBytesMax = 127;
/// 1..kTurnUserBytesMax bytes of printable ASCII or UTF-8 without a colon.
bool valid_turn_user(std::string_view name);

struct TurnCredential {
  std::string username;  ///< "EXPIRY:USER", EXPIRY in seconds since 1970
  std::string password;  ///< base64(HMAC-SHA1(secret, username)), with padding
};
/// Time-limited credentials as coturn and everybody else take them (draft-uberti-behave-turn-rest-00 §2.2).
TurnCredential turn_credential(std::string_view secret, std::string_view user, uint64_t expires_unix_s);

}  // namespace sluice::engine::relay
