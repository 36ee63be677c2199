// A server with keys, and clients that write checks as browsers do.
#pragma once

#include <string>
#include <vector>

#include "net/crypto/random.h"
#include "net/ice/check.h"
#include "net/ice/lite_agent.h"
#include "net/ice/shard_keys.h"
#include "tests/unit/hex.h"

namespace sluice::test {

inline constexpr ice::ExpiryUnit kNow = 1000;
inline constexpr std::string_view kRemoteUfrag = "r3mo";
inline constexpr std::string_view kRemotePassword = "remotePasswordOf24Chars+";

inline ice::UfragFields fields(uint8_t ice_generation = 0) {
  return {.region = 5,
          .node = 1234,
          .session_index = 77,
          .session_gen = 9,
          .ice_generation = ice_generation,
          .expiry = kNow + 6};
}

struct Server {
  ice::ShardKeys keys;
  Server() {
    for (uint8_t id : {uint8_t{1}, uint8_t{2}}) {
      std::array<uint8_t, 16> route{};
      ice::IceKey ice{};
      route.fill(id);
      ice.fill(static_cast<uint8_t>(0x80 + id));
      keys.add_route_key(id, route);
      keys.add_ice_key(id, ice);
    }
  }
  std::string mint(const ice::UfragFields& f, uint8_t key_id = 1) const {
    return std::string(ice::text(keys.keys().routes.mint(f, key_id)));
  }
  std::string password(std::string_view ufrag, uint8_t key_id = 1) const {
    return std::string(keys.keys().password_of(key_id, ufrag).text());
  }
};

struct CheckText {
  std::string ufrag;
  std::string password;
  std::string remote_ufrag{kRemoteUfrag};
  bool use_candidate = false;
  bool fingerprint = true;
  stun::Integrity integrity = stun::Integrity::sha1;
  stun::TransactionId tid{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  /// Called before the integrity is appended.
  void (*more)(stun::Builder&) = nullptr;
};

inline std::vector<uint8_t> write(const CheckText& c) {
  std::vector<uint8_t> out(600);
  stun::Builder b(out, stun::Class::request, stun::Method::binding, c.tid);
  b.username(c.ufrag, c.remote_ufrag);
  if (c.more != nullptr) {
    c.more(b);
  } else {
    b.u64(stun::Attr::ice_controlling, 0x0102030405060708);
    b.u32(stun::Attr::priority, 0x6e7f1eff);
  }
  if (c.use_candidate) b.flag(stun::Attr::use_candidate);
  b.integrity(c.integrity, crypto::kPrimitives, as_bytes(c.password));
  if (c.fingerprint) b.fingerprint();
  out.resize(b.size());
  return out;
}

inline ice::PathAddress path(int remote, int local = 1) {
  return {.remote = {Address::v4(198, 51, 100, static_cast<uint8_t>(remote)), 40000},
          .local = {Address::v4(192, 0, 2, static_cast<uint8_t>(local)), 3478},
          .ifindex = 0};
}

}  // namespace sluice::test
