#include "net/ice/check.h"

#include <algorithm>
#include <cassert>

namespace sluice::ice {
namespace {

using stun::Attr;

// RFC 8839 §5.4: 4 to 256 ice-chars.
bool is_ufrag(std::string_view s) {
  return s.size() >= 4 && s.size() <= 256 &&
         std::all_of(s.begin(), s.end(), [](char c) { return base64_value(c) < 64; });
}

bool fingerprint_wrong(const stun::View& view) { return view.has_fingerprint() && !view.fingerprint_ok(); }

bool absent_or(std::optional<Bytes> value, size_t bytes) { return !value || value->size() == bytes; }

// What an authenticated request deserves instead of a success; 0 if nothing.
uint16_t error_due(const stun::View& view, CheckedRequest& rq) {
  rq.unknown_count = static_cast<uint8_t>(view.unknown_required(rq.unknown));
  if (rq.unknown_count > 0) return 420;
  const bool controlled = view.has(Attr::ice_controlled), controlling = view.has(Attr::ice_controlling);
  if ((controlled && controlling) || !absent_or(view.find(Attr::ice_controlled), 8) ||
      !absent_or(view.find(Attr::ice_controlling), 8) || !absent_or(view.find(Attr::priority), 4) ||
      !absent_or(view.find(Attr::use_candidate), 0))
    return 400;
  // RFC 8445 §7.3.1.1: a controlled agent yields if its tie-breaker is the larger one. A lite agent may not
  // (§6.1.1: a full peer controls), so ours is the smallest there is and the peer has to switch.
  return controlled ? 487 : 0;
}

}  // namespace

std::expected<CheckedRequest, Drop> route_request(const stun::View& view, const Keys& keys, ExpiryUnit now,
                                                  Expiry expiry) {
  if (!view.is_binding(stun::Class::request)) return std::unexpected(Drop::stun_unsupported);
  if (fingerprint_wrong(view)) return std::unexpected(Drop::stun_bad_fingerprint);
  // RFC 8445 §7.2.2: "receiver's ufrag:sender's ufrag".
  const std::string_view username = view.username().value_or(std::string_view{});
  if (username.size() <= kUfragChars || username[kUfragChars] != ':')
    return std::unexpected(Drop::ufrag_forged);
  const std::string_view local(username.data(), kUfragChars);
  const std::string_view remote(username.data() + kUfragChars + 1, username.size() - kUfragChars - 1);
  const auto opened = keys.routes.decode(local);
  if (!opened) return std::unexpected(opened.error());
  if (!is_ufrag(remote)) return std::unexpected(Drop::ufrag_forged);
  const bool expired = is_expired(opened->fields.expiry, now);
  if (expired && expiry == Expiry::enforce) return std::unexpected(Drop::ufrag_expired);

  CheckedRequest rq;
  rq.tid = view.transaction_id();
  rq.ufrag = opened->fields;
  rq.key_id = opened->key_id;
  rq.expired = expired;
  rq.use_candidate = view.has(Attr::use_candidate);
  rq.integrity = view.integrity();
  rq.bytes = static_cast<uint16_t>(view.datagram().size());
  rq.priority = view.u32(Attr::priority).value_or(0);
  rq.local_ufrag = local;
  rq.remote_ufrag = remote;
  return rq;
}

std::expected<CheckedRequest, Drop> authenticate(const stun::View& view, const Keys& keys,
                                                 CheckedRequest routed) {
  if (routed.integrity == stun::Integrity::none || ((keys.ice_present >> routed.key_id) & 1U) == 0)
    return std::unexpected(Drop::stun_bad_integrity);
  routed.password = keys.password_of(routed.key_id, routed.local_ufrag);
  if (!view.integrity_ok(keys.crypto, routed.password.bytes()))
    return std::unexpected(Drop::stun_bad_integrity);
  routed.error = error_due(view, routed);
  return routed;
}

std::expected<CheckedRequest, Drop> check_request(const stun::View& view, const Keys& keys, ExpiryUnit now,
                                                  Expiry expiry) {
  const auto rq = route_request(view, keys, now, expiry);
  return rq ? authenticate(view, keys, *rq) : rq;
}

std::expected<CheckedRequest, Drop> check_request(Bytes datagram, const Keys& keys, ExpiryUnit now,
                                                  Expiry expiry) {
  const auto view = stun::View::parse(datagram);
  if (!view) return std::unexpected(view.error());
  return check_request(*view, keys, now, expiry);
}

std::expected<stun::TransactionId, Drop> check_response(const stun::View& view,
                                                        const crypto::Primitives& crypto,
                                                        std::string_view remote_password) {
  // An error that the client authenticated proves as much about its address as a success does.
  if (!view.is_binding(stun::Class::success) && !view.is_binding(stun::Class::error))
    return std::unexpected(Drop::stun_unsupported);
  if (fingerprint_wrong(view)) return std::unexpected(Drop::stun_bad_fingerprint);
  if (!view.integrity_ok(crypto, as_bytes(remote_password))) return std::unexpected(Drop::stun_bad_integrity);
  return view.transaction_id();
}

size_t write_success(MutBytes out, const CheckedRequest& rq, const Endpoint& remote,
                     const crypto::Primitives& crypto) {
  stun::Builder b(out, stun::Class::success, stun::Method::binding, rq.tid);
  b.xor_address(Attr::xor_mapped_address, remote);
  b.integrity(rq.integrity, crypto, rq.password.bytes());
  b.fingerprint();
  return b.size();
}

size_t write_error(MutBytes out, const CheckedRequest& rq, const crypto::Primitives& crypto) {
  assert(rq.error != 0);
  stun::Builder b(out, stun::Class::error, stun::Method::binding, rq.tid);
  b.error_code(rq.error, stun::reason_phrase(rq.error));
  if (rq.error == 420) b.unknown_attributes(std::span(rq.unknown).first(rq.unknown_count));
  b.integrity(rq.integrity, crypto, rq.password.bytes());
  b.fingerprint();
  return b.size();
}

size_t write_challenge(MutBytes out, const stun::TransactionId& tid, std::string_view remote_ufrag,
                       std::string_view local_ufrag, std::string_view remote_password,
                       const crypto::Primitives& crypto) {
  // RFC 8445 §5.1.2.1: what a peer-reflexive candidate of the highest local preference would have; nobody
  // pairs it, but agents refuse checks without it.
  constexpr uint32_t kPriority = (110U << 24) | (65535U << 8) | 255U;
  constexpr uint64_t kTieBreaker = 0;  // the smallest: see error_due()
  stun::Builder b(out, stun::Class::request, stun::Method::binding, tid);
  b.username(remote_ufrag, local_ufrag);
  b.u32(Attr::priority, kPriority);
  b.u64(Attr::ice_controlled, kTieBreaker);
  b.integrity(stun::Integrity::sha1, crypto, as_bytes(remote_password));
  b.fingerprint();
  return b.size();
}

}  // namespace sluice::ice
