// A binding request from the wire to an authenticated check, and the three messages that a lite agent
// sends. Pure; everything is on the stack of the calling shard.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <span>
#include <string_view>

#include "net/base/drop.h"
#include "net/base/endpoint.h"
#include "net/ice/ufrag.h"
#include "net/stun/builder.h"
#include "net/stun/message.h"

namespace sluice::ice {

/// What one shard needs to open and verify checks: views and keys by key id. One thread at a time.
/// net/ice/shard_keys.h builds it.
struct Keys {
  crypto::Primitives crypto;
  UfragCodec routes;
  std::array<IceKey, kMaxKeyIds> ice{};
  uint16_t ice_present = 0;  ///< bit k: ice[k] is a key

  /// The password that belongs to a ufrag minted here. Precondition: bit `key_id` of ice_present.
  Password password_of(uint8_t key_id, std::string_view ufrag) const {
    return password(crypto, ice[key_id], ufrag);
  }
};

/// `enforce`: an expired ufrag is Drop::ufrag_expired. `report`: it passes with `expired` set, for a caller
/// that lets sessions outlive the expiry (which limits first packets, not calls) and looks at it only when
/// the session has not seen a check yet.
enum class Expiry : uint8_t { enforce, report };

/// A binding request for a session of ours whose ufrag was minted here. Views point into the datagram.
struct CheckedRequest {
  stun::TransactionId tid{};
  UfragFields ufrag;
  uint8_t key_id = 0;
  bool expired = false;  ///< only with Expiry::report
  bool use_candidate = false;
  stun::Integrity integrity = stun::Integrity::sha1;  ///< the response uses the same (RFC 8489 §9.1.3)
  uint16_t bytes = 0;                                 ///< of the datagram
  uint32_t priority = 0;                              ///< 0 if it carried none, as consent checks may
  /// 0, or the error response that is due instead of a success: 400, 420 (RFC 8489 §6.3.1), 487 (RFC 8445
  /// §7.3.1.1). Such a request must not reach the agent.
  uint16_t error = 0;
  uint8_t unknown_count = 0;
  std::array<uint16_t, 8> unknown{};  ///< for 420
  std::string_view local_ufrag;       ///< ours
  std::string_view remote_ufrag;      ///< the client's, 4..256 characters; compare with the offer's
  Password password;                  ///< ours: the key of request and response
};

/// Fingerprint, form of USERNAME and ufrag, without integrity: enough to route, never to act. Fills in
/// everything but password, error and unknown. FINGERPRINT may be absent, but not wrong.
/// Drops: stun_unsupported (not a binding request), stun_bad_fingerprint, ufrag_forged (USERNAME absent or
/// not one of ours), ufrag_expired.
std::expected<CheckedRequest, Drop> route_request(const stun::View& view, const Keys& keys, ExpiryUnit now,
                                                  Expiry expiry = Expiry::enforce);

/// What route_request() made of `view` with its password and its error, once the integrity is verified.
/// Drops: stun_bad_integrity. Never answers what is not authenticated: an error response to a forged source
/// would be a reflection.
std::expected<CheckedRequest, Drop> authenticate(const stun::View& view, const Keys& keys,
                                                 CheckedRequest routed);

/// Both in one.
std::expected<CheckedRequest, Drop> check_request(const stun::View& view, const Keys& keys, ExpiryUnit now,
                                                  Expiry expiry = Expiry::enforce);
/// The same from a datagram; also Drop::stun_malformed.
std::expected<CheckedRequest, Drop> check_request(Bytes datagram, const Keys& keys, ExpiryUnit now,
                                                  Expiry expiry = Expiry::enforce);

/// Verifies a success or error response to a challenge of ours, whose key is the client's password. Ask
/// LiteAgent::awaits() first, which is cheaper. Drops: stun_unsupported, stun_bad_fingerprint,
/// stun_bad_integrity.
std::expected<stun::TransactionId, Drop> check_response(const stun::View& view,
                                                        const crypto::Primitives& crypto,
                                                        std::string_view remote_password);

/// Room that any of the messages below needs, remote ufrags of 256 characters included.
inline constexpr size_t kMaxMessageBytes = 512;

/// XOR-MAPPED-ADDRESS, integrity as in the request, FINGERPRINT. Returns the length, 0 if it does not fit.
size_t write_success(MutBytes out, const CheckedRequest& rq, const Endpoint& remote,
                     const crypto::Primitives& crypto);
/// Precondition: rq.error != 0.
size_t write_error(MutBytes out, const CheckedRequest& rq, const crypto::Primitives& crypto);
/// A path challenge: an ordinary binding request of a controlled agent, which every full agent answers.
size_t write_challenge(MutBytes out, const stun::TransactionId& tid, std::string_view remote_ufrag,
                       std::string_view local_ufrag, std::string_view remote_password,
                       const crypto::Primitives& crypto);

/// Exact sizes of what the functions above write.
constexpr size_t success_bytes(bool v4, stun::Integrity integrity) {
  return stun::kHeaderBytes + stun::attribute_bytes(v4 ? 8 : 20) +
         stun::attribute_bytes(integrity == stun::Integrity::sha256 ? 32 : 20) + stun::attribute_bytes(4);
}
constexpr size_t challenge_bytes(size_t remote_ufrag_chars) {
  return stun::kHeaderBytes + stun::attribute_bytes(remote_ufrag_chars + 1 + kUfragChars) +
         stun::attribute_bytes(4) + stun::attribute_bytes(8) + stun::attribute_bytes(20) +
         stun::attribute_bytes(4);
}

}  // namespace sluice::ice
