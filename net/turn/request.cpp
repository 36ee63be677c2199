// From a request to its handler, and from an outcome to a reply.
#include "net/turn/request.h"

#include <algorithm>

namespace sluice::turn {
namespace {

using stun::Attr;

constexpr size_t kAmplification = 3;
constexpr size_t kFingerprintBytes = stun::attribute_bytes(4);

/// What TURN understands beyond RFC 8489.
constexpr std::array kUnderstood{Attr::channel_number,   Attr::lifetime,
                                 Attr::xor_peer_address, Attr::requested_address_family,
                                 Attr::even_port,        Attr::requested_transport,
                                 Attr::dont_fragment,    Attr::reservation_token};

// One line each: clients show them to people, the network does not need them.
std::string_view reason_of(uint16_t code) {
  switch (code) {
    case 403:
      return "Forbidden";
    case 405:
      return "Mobility Forbidden";
    case 437:
      return "Allocation Mismatch";
    case 438:
      return "Stale Nonce";
    case 440:
      return "Address Family not Supported";
    case 441:
      return "Wrong Credentials";
    case 442:
      return "Unsupported Transport Protocol";
    case 443:
      return "Peer Address Family Mismatch";
    case 486:
      return "Allocation Quota Reached";
    case 508:
      return "Insufficient Capacity";
    default:
      return stun::reason_phrase(code);
  }
}

bool is_served(const stun::View& v) {
  switch (static_cast<stun::Method>(v.method())) {
    case stun::Method::binding:
    case stun::Method::allocate:
    case stun::Method::refresh:
    case stun::Method::create_permission:
    case stun::Method::channel_bind:
      return true;
    default:
      return false;
  }
}

}  // namespace

Result Server::on_request(const ClientKey& client, uint32_t allocation, const stun::View& request, Micros now,
                          const PortSource& ports, MutBytes out) {
  Request rq{.client = client, .view = request, .ports = ports, .out = out, .now = now};
  const auto drop = [&](Drop d) {
    rq.result.drop = d;
    return rq.result;
  };
  if (request.cls() != stun::Class::request) return drop(Drop::stun_unexpected_response);
  if (request.has_fingerprint() && !request.fingerprint_ok()) return drop(Drop::stun_bad_fingerprint);
  if (!is_served(request)) return refuse(rq, 400);
  if (request.method() == static_cast<uint16_t>(stun::Method::binding)) return binding(rq);

  Allocation* a = allocations_.find(allocation);
  if (a != nullptr && a->client.same(client)) {
    if (rq.now_s() < a->ends) {
      rq.index = allocation;
      rq.allocation = a;
    } else {
      // Its timer is due; if the client asks for a new allocation now, the old one must not end after it.
      rq.result = {.event = Event::closed, .allocation = allocation, .previous = client};
      retire(allocation, ports);
      ++counters_.expired;
    }
  }
  rq.holder = ticket_holder(rq);
  rq.user = login(rq);
  if (rq.user.error == 400) return refuse(rq, 400);
  if (rq.user.error != 0) return challenge(rq, rq.user.error);
  rq.proven = true;
  // RFC 8656 §5: whoever made the allocation, and nobody else, may touch it.
  if (rq.allocation != nullptr && rq.allocation->name_hash != rq.user.name_hash) return refuse(rq, 441);
  std::array<uint16_t, 16> unknown;
  if (const size_t n = request.unknown_required(unknown, kUnderstood); n != 0)
    return refuse(rq, 420, std::span(unknown).first(n));
  return dispatch(rq);
}

Result Server::dispatch(Request& rq) {
  if (rq.method() == stun::Method::allocate) return allocate(rq);
  if (rq.method() == stun::Method::refresh) return refresh(rq);
  if (rq.allocation == nullptr) return refuse(rq, 437);
  if (rq.method() == stun::Method::create_permission) return create_permission(rq);
  return channel_bind(rq);
}

Login Server::login(const Request& rq) {
  std::optional<int64_t> unix_s;
  if (unix_offset_s_) unix_s = *unix_offset_s_ + rq.now.us / 1'000'000;
  const AuthContext context{.crypto = config_.crypto,
                            .credentials = credentials_,
                            .nonces = nonces_,
                            .realm = config_.realm,
                            .names = config_.secrets.names,
                            .unix_s = unix_s};
  const Allocation* known = rq.allocation != nullptr ? rq.allocation : rq.holder;
  if (known == nullptr) return authenticate(context, rq.view, rq.client.remote.addr, nullptr, rq.now);
  const KnownUser user{known->key, known->name_hash};
  return authenticate(context, rq.view, rq.client.remote.addr, &user, rq.now);
}

// RFC 8016 §3.2.2. Opened before the credentials are checked, since the allocation knows the user's key.
Allocation* Server::ticket_holder(const Request& rq) {
  if (rq.method() != stun::Method::refresh || !config_.mobility) return nullptr;
  const auto ticket = rq.view.find(Attr::mobility_ticket);
  const auto nonce = rq.view.find(Attr::nonce);
  if (!ticket || !nonce || !nonces_.check(*nonce, rq.client.remote.addr, rq.now)) return nullptr;
  const auto fields = open_ticket(config_.crypto, config_.secrets.ticket, *ticket);
  if (!fields || fields->shard != config_.shard) return nullptr;
  if (allocations_.handle(fields->allocation.index) != fields->allocation) return nullptr;
  Allocation* a = allocations_.live(fields->allocation.index, rq.now_s());
  // The response to the last move may have been lost: the ticket before is good as well.
  if (a == nullptr || !a->is(Allocation::kMobile) || a->ticket - fields->count > 1) return nullptr;
  return a;
}

Result Server::answer(Request& rq, stun::Builder& reply, uint32_t allocation) {
  if (allocation != kNoAllocation) rq.result.allocation = allocation;
  reply.integrity(rq.user.reply, config_.crypto, rq.user.key.bytes());
  if (rq.view.has_fingerprint()) reply.fingerprint();
  rq.result.reply = static_cast<uint16_t>(reply.size());
  return rq.result;
}

Result Server::answer_stranger(Request& rq, stun::Builder& reply) {
  if (rq.view.has_fingerprint()) reply.fingerprint();
  const size_t n = reply.size();
  if (!rq.client.is_stream() && !admission_.admit(rq.client.remote.addr, static_cast<uint32_t>(n), rq.now)) {
    rq.result.drop = Drop::rate_limited;
    return rq.result;
  }
  rq.result.reply = static_cast<uint16_t>(n);
  return rq.result;
}

Result Server::refuse(Request& rq, uint16_t code, std::span<const uint16_t> unknown) {
  const auto at = std::find(kRefusalCodes.begin(), kRefusalCodes.end(), code);
  ++counters_.refused[static_cast<size_t>(at - kRefusalCodes.begin())];
  auto reply = rq.error();
  reply.error_code(code, rq.proven || rq.client.is_stream() ? reason_of(code) : std::string_view{});
  if (!unknown.empty()) reply.unknown_attributes(unknown);
  return rq.proven ? answer(rq, reply) : answer_stranger(rq, reply);
}

// RFC 8489 §9.2.4: 401 and 438 carry realm, nonce and algorithms. See Server for what fits when.
Result Server::challenge(Request& rq, uint16_t code) {
  const size_t asked = rq.view.datagram().size();
  const std::string_view reason = reason_of(code);
  const size_t bare = stun::kHeaderBytes + stun::attribute_bytes(4) +
                      stun::attribute_bytes(config_.realm.size()) + stun::attribute_bytes(kNonceChars) +
                      (rq.view.has_fingerprint() ? kFingerprintBytes : 0);
  const size_t algorithms = stun::attribute_bytes(4), words = stun::attribute_bytes(reason.size()) - 4;
  const bool stream = rq.client.is_stream();
  const bool negotiate = stream || bare + algorithms <= kAmplification * asked;
  // A nonce without algorithms is what a bid-down attack wants: none is made where they fit into the answer
  // to the shortest request that a client has a reason to send.
  const size_t shortest = stun::kHeaderBytes + stun::attribute_bytes(4);
  const bool fits =
      stun::attribute_bytes(config_.realm.size()) <= stun::attribute_bytes(kMaxNegotiatingRealm);
  if (!negotiate && (fits || asked < shortest || bare > kAmplification * asked)) return refuse(rq, 400);
  const bool explain = stream || bare + algorithms + words <= asked;

  const auto at = std::find(kRefusalCodes.begin(), kRefusalCodes.end(), code);
  ++counters_.refused[static_cast<size_t>(at - kRefusalCodes.begin())];
  uint32_t features = negotiate ? kPasswordAlgorithmsBit : 0;
  // A client that sees this bit must send USERHASH (§9.2.5), from which no time-limited name can be read.
  if (negotiate && !credentials_.users.empty() && !credentials_.has_secret())
    features |= kUsernameAnonymityBit;
  const Nonce nonce = nonces_.make(rq.client.remote.addr, features, rq.now);
  auto reply = rq.error();
  reply.error_code(code, explain ? reason : std::string_view{});
  reply.attribute(Attr::realm, as_bytes(config_.realm));
  reply.attribute(Attr::nonce, as_bytes({nonce.data(), nonce.size()}));
  if (negotiate) reply.u32(Attr::password_algorithms, uint32_t{2} << 16);  // SHA-256, no parameters
  return answer_stranger(rq, reply);
}

// RFC 8489 §12: what a STUN server says.
Result Server::binding(Request& rq) {
  std::array<uint16_t, 16> unknown;
  if (const size_t n = rq.view.unknown_required(unknown); n != 0)
    return refuse(rq, 420, std::span(unknown).first(n));
  auto reply = rq.success();
  reply.xor_address(Attr::xor_mapped_address, rq.client.remote);
  const Result r = answer_stranger(rq, reply);
  counters_.bindings += r.drop == Drop::none;
  return r;
}

}  // namespace sluice::turn
