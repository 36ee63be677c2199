#include "tests/sim/turn_phone.h"

#include <algorithm>

#include "net/crypto/hmac.h"
#include "net/turn/credentials.h"
#include "net/turn/types.h"
#include "net/wire/classify.h"

namespace sluice::sim {
namespace {

constexpr int kMaxTries = 7;
constexpr Micros kFirstRetry = millis(500);
constexpr Micros kAgain = seconds(1);  ///< until who insists tries again
constexpr uint16_t kFirstChannel = 0x4001;
constexpr size_t kPayload = 40;

}  // namespace

TurnPhone::TurnPhone(const TurnPhoneOptions& options, Edge e, const LinkOptions& link, const Endpoint& server,
                     crypto::Random random, Rng rng)
    : Station{std::move(e), Link(link, rng.fork()), Link(link, rng.fork()), !server.is_v4()},
      options_(options),
      server_(server),
      random_(random) {}

void TurnPhone::write(Request& r) {
  random_.fill(r.tid);
  r.bytes.assign(512, 0);
  stun::Builder b(r.bytes, stun::Class::request, r.method, r.tid);
  if (r.method == stun::Method::allocate) b.u32(stun::Attr::requested_transport, 17U << 24);
  if (r.method == stun::Method::allocate && options_.mobile) b.attribute(stun::Attr::mobility_ticket, {});
  if (r.method == stun::Method::refresh) b.u32(stun::Attr::lifetime, r.lifetime);
  if (r.method == stun::Method::refresh && !ticket_.empty() && r.lifetime > 0)
    b.attribute(stun::Attr::mobility_ticket, ticket_);
  constexpr std::array<uint8_t, 1> kAndTheNext{0x80};
  if (r.method == stun::Method::allocate && options_.reserves)
    b.attribute(stun::Attr::even_port, kAndTheNext);
  if (r.method == stun::Method::channel_bind)
    b.u32(stun::Attr::channel_number, uint32_t{channels_.at(*peer_)} << 16);
  if (r.method == stun::Method::channel_bind || r.method == stun::Method::create_permission)
    b.xor_address(stun::Attr::xor_peer_address, *peer_);
  if (!nonce_.empty()) {
    b.attribute(stun::Attr::username, as_bytes(options_.user));
    b.attribute(stun::Attr::realm, as_bytes(realm_));
    b.attribute(stun::Attr::nonce, as_bytes(nonce_));
    b.integrity(stun::Integrity::sha1, crypto::kPrimitives, key().bytes());
  }
  r.bytes.resize(b.size());
}

turn::AuthKey TurnPhone::key() const {
  return turn::long_term_key(crypto::kPrimitives, turn::PasswordAlgorithm::md5, options_.user, realm_,
                             options_.password);
}

void TurnPhone::ask(stun::Method method, Micros now, uint32_t lifetime) {
  std::erase_if(pending_, [&](const Request& r) { return r.method == method; });
  Request r;
  r.method = method;
  r.lifetime = lifetime;
  write(r);
  pending_.push_back(std::move(r));
  transmit(pending_.back(), now);
}

void TurnPhone::transmit(Request& r, Micros now) {
  out_.push_back({server_, r.bytes});
  r.next = now + kFirstRetry * (int64_t{1} << r.tries);
  ++r.tries;
}

void TurnPhone::allocate(Micros now) { ask(stun::Method::allocate, now); }
void TurnPhone::speak_to(const Endpoint& peer, Micros now) {
  peer_ = peer;
  permit(now);
}
void TurnPhone::permit(Micros now) {
  if (options_.indications) return ask(stun::Method::create_permission, now);
  // RFC 8656 §12: one channel a peer, one peer a channel; the same for good, since an old bind may come late.
  channels_.try_emplace(*peer_, static_cast<uint16_t>(kFirstChannel + channels_.size()));
  ask(stun::Method::channel_bind, now);
}
void TurnPhone::moved(Micros now) { ask(stun::Method::refresh, now); }
void TurnPhone::release(Micros now) {
  next_talk_ = next_refresh_ = kNever;
  ask(stun::Method::refresh, now, 0);
}
void TurnPhone::hang_up() {
  next_talk_ = next_refresh_ = kNever;
  pending_.clear();
}

void TurnPhone::input(Bytes datagram, const Endpoint&, Micros now) {
  const auto view = stun::View::parse(datagram);
  if (view && view->cls() == stun::Class::indication) {
    if (const auto data = view->find(stun::Attr::data)) on_data(*data);
    return;
  }
  if (view) return on_response(*view, now);
  if (datagram.size() < 4 || !turn::is_channel_data(datagram[0])) return;
  const uint16_t n = load_be<uint16_t>(&datagram[2]);
  if (datagram.size() - 4 >= n) on_data(datagram.subspan(4, n));
}

void TurnPhone::on_response(const stun::View& v, Micros now) {
  const auto it = std::ranges::find(pending_, v.transaction_id(), &Request::tid);
  if (it == pending_.end()) return;
  if (v.cls() == stun::Class::success) {
    // Or what was damaged on the way would be believed.
    if (!authentic(v)) return;
    const Request r = *it;
    pending_.erase(it);
    return on_success(r, v, now);
  }
  const auto error = v.error_code();
  last_error_ = error ? error->code : -1;
  // RFC 8489 §9.2.5: with what it says; once, and again when the nonce has become stale.
  const bool again = (last_error_ == 401 && nonce_.empty()) || last_error_ == 438;
  const auto realm = v.find(stun::Attr::realm), nonce = v.find(stun::Attr::nonce);
  if (!again || !realm || !nonce) {
    const Request r = *it;
    pending_.erase(it);
    return on_refusal(r, now);
  }
  realm_ = as_text(*realm);
  nonce_ = as_text(*nonce);
  it->tries = 0;
  write(*it);
  transmit(*it, now);
}

void TurnPhone::on_success(const Request& r, const stun::View& v, Micros now) {
  last_error_ = 0;
  if (const auto ticket = v.find(stun::Attr::mobility_ticket)) ticket_.assign(ticket->begin(), ticket->end());
  if (r.method == stun::Method::allocate) {
    relayed_ = v.xor_address(stun::Attr::xor_relayed_address);
    if (options_.refreshes) next_refresh_ = now + options_.refresh;
    if (peer_) permit(now);
  }
  if (r.method == stun::Method::refresh && r.lifetime == 0) relayed_.reset();
  const bool permitted =
      r.method == stun::Method::channel_bind || r.method == stun::Method::create_permission;
  if (permitted && next_talk_ == kNever) next_talk_ = now;
}

bool TurnPhone::authentic(const stun::View& v) const {
  return nonce_.empty() || v.integrity_ok(crypto::kPrimitives, key().bytes());
}

/// What it believed to have may have gone with the relay, be its old address's, or be nobody's.
void TurnPhone::on_refusal(const Request& r, Micros now) {
  if (!options_.insists || r.lifetime == 0) return;
  if (last_error_ == 401) nonce_.clear();
  next_refresh_ = now + kAgain;
  if (r.method == stun::Method::allocate) return ask(stun::Method::refresh, now, 0);
  if (r.method != stun::Method::refresh) return;
  relayed_.reset();
  ticket_.clear();
}

void TurnPhone::on_data(Bytes payload) {
  if (payload.size() == kPayload)
    heard_[load_be<uint32_t>(&payload[4])].insert(load_be<uint32_t>(&payload[8]));
}

void TurnPhone::refresh(Micros now) {
  next_refresh_ = now + options_.refresh;
  if (!relayed_) return ask(stun::Method::allocate, now);
  ask(stun::Method::refresh, now);
  if (peer_) permit(now);
}

void TurnPhone::timeout(Micros now) {
  if (now >= next_refresh_) refresh(now);
  std::erase_if(pending_, [&](const Request& r) { return r.next <= now && r.tries == kMaxTries; });
  for (Request& r : pending_)
    if (r.next <= now) transmit(r, now);
  if (now < next_talk_) return;
  next_talk_ = now + options_.interval;
  talk();
}

void TurnPhone::talk() {
  std::array<uint8_t, kPayload> payload{0x80};
  store_be<uint32_t>(&payload[4], options_.id);
  store_be<uint32_t>(&payload[8], sent_++);
  std::vector<uint8_t> m(options_.indications ? 128 : 4 + kPayload);
  if (options_.indications) {
    stun::Builder b(m, stun::Class::indication, stun::Method::send, {});
    b.xor_address(stun::Attr::xor_peer_address, *peer_);
    b.attribute(stun::Attr::data, payload);
    m.resize(b.size());
  } else {
    const auto channel = channels_.find(*peer_);
    store_be<uint16_t>(m.data(), channel == channels_.end() ? kFirstChannel : channel->second);
    store_be<uint16_t>(&m[2], kPayload);
    std::ranges::copy(payload, m.begin() + 4);
  }
  out_.push_back({server_, std::move(m)});
}

Micros TurnPhone::deadline(Micros) const {
  Micros due = std::min(next_talk_, next_refresh_);
  for (const Request& r : pending_) due = std::min(due, r.next);
  return due;
}

size_t TurnPhone::heard(uint32_t id, uint32_t from, uint32_t to) const {
  const auto it = heard_.find(id);
  if (it == heard_.end()) return 0;
  const std::set<uint32_t>& all = it->second;
  return static_cast<size_t>(std::distance(all.lower_bound(from), all.lower_bound(to)));
}

Parrot::Parrot(const Endpoint& at, const LinkOptions& link, Rng rng)
    : Station{Edge({.nat = false, .kind = {}}, {at.addr, at.port}, at.addr, rng.fork()),
              Link(link, rng.fork()), Link(link, rng.fork()), !at.is_v4()} {}

}  // namespace sluice::sim
