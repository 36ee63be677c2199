#include "tests/client/ice.h"

#include <algorithm>

#include "net/crypto/hmac.h"
#include "net/stun/builder.h"

namespace sluice::test {
namespace {

constexpr uint32_t kPriority = 0x6e7f1eff;
constexpr Micros kFirstRetry = millis(100);
constexpr int kMaxTries = 6;
/// A consent check without an answer is followed by another one soon, as in libwebrtc.
constexpr Micros kConsentRetry = millis(500);

}  // namespace

std::string ice_text(crypto::Random random, size_t n) {
  constexpr std::string_view kChars = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string s(n, ' ');
  for (char& c : s) c = kChars[random.bytes<1>()[0] % kChars.size()];
  return s;
}

IceClient::IceClient(const IceOptions& options, crypto::Random random) : options_(options), random_(random) {
  tie_breaker_ = random_.u64();
  make_local();
}

void IceClient::make_local() { now_.local = {ice_text(random_, 8), ice_text(random_, 24)}; }

void IceClient::restart() {
  if (!awaiting_answer_) before_ = now_;
  awaiting_answer_ = true;
  make_local();
}

void IceClient::set_remote(IceCredentials remote, std::vector<Endpoint> candidates, Micros now) {
  now_.remote = std::move(remote);
  now_.candidates = std::move(candidates);
  awaiting_answer_ = false;
  pending_.clear();
  nominated_ = false;
  // Nominated is what is in use, and that is not decided while there is a choice.
  const bool nominate = options_.nominate_always && now_.candidates.size() == 1;
  for (const Endpoint& e : now_.candidates) start_check(e, nominate, false, now);
}

void IceClient::stop() {
  stopped_ = true;
  pending_.clear();
  next_consent_ = kNever;
}

void IceClient::start_check(const Endpoint& to, bool nominate, bool consent, Micros now) {
  if (stopped_) return;
  Check c;
  random_.fill(c.tid);
  c.to = to;
  c.nominates = nominate;
  c.consent = consent;
  c.remote_pwd = in_use().remote.pwd;
  pending_.push_back(c);
  transmit(pending_.back(), now);
}

void IceClient::transmit(Check& c, Micros now) {
  std::vector<uint8_t> bytes(256);
  stun::Builder b(bytes, stun::Class::request, stun::Method::binding, c.tid);
  b.username(in_use().remote.ufrag, in_use().local.ufrag);
  b.u64(stun::Attr::ice_controlling, tie_breaker_);
  if (c.nominates) b.flag(stun::Attr::use_candidate);
  b.u32(stun::Attr::priority, kPriority);
  b.integrity(stun::Integrity::sha1, crypto::kPrimitives, as_bytes(c.remote_pwd));
  b.fingerprint();
  bytes.resize(b.size());
  out_.push_back({c.to, std::move(bytes)});
  ++checks_;
  c.next = now + (c.consent ? kConsentRetry : kFirstRetry * (int64_t{1} << c.tries));
  ++c.tries;
}

void IceClient::input(Bytes datagram, const Endpoint& from, Micros now) {
  const auto view = stun::View::parse(datagram);
  if (stopped_ || !view || !view->fingerprint_ok()) return;
  if (view->is_binding(stun::Class::request)) on_request(*view, from);
  if (view->is_binding(stun::Class::success)) on_response(*view, from, now);
}

void IceClient::on_request(const stun::View& v, const Endpoint& from) {
  const auto username = v.username();
  for (const Generation* g : {&now_, &before_}) {
    if (!username || g->local.ufrag.empty() || !username->starts_with(g->local.ufrag + ":")) continue;
    if (!v.integrity_ok(crypto::kPrimitives, as_bytes(g->local.pwd))) return;
    std::vector<uint8_t> bytes(128);
    stun::Builder b(bytes, stun::Class::success, stun::Method::binding, v.transaction_id());
    b.xor_address(stun::Attr::xor_mapped_address, from);
    b.integrity(stun::Integrity::sha1, crypto::kPrimitives, as_bytes(g->local.pwd));
    b.fingerprint();
    bytes.resize(b.size());
    out_.push_back({from, std::move(bytes)});
    ++challenges_;
    return;
  }
}

void IceClient::on_response(const stun::View& v, const Endpoint& from, Micros now) {
  const auto tid = v.transaction_id();
  const auto it = std::ranges::find(pending_, tid, &Check::tid);
  // RFC 8445 §7.2.5.2.1: the answer must come from where the check went to.
  if (it == pending_.end() || it->to != from) return;
  if (!v.integrity_ok(crypto::kPrimitives, as_bytes(it->remote_pwd))) return;
  const Check c = *it;
  pending_.erase(it);
  on_success(c, v, now);
}

void IceClient::on_success(const Check& c, const stun::View& v, Micros now) {
  ++answers_;
  answered_at_ = now;
  mapped_ = v.xor_address();
  if (c.consent) {
    std::erase_if(pending_, [](const Check& other) { return other.consent; });
  } else if (!nominated_) {
    nominated_ = c.nominates;
    selected_ = c.to;
    pending_.clear();
    if (!nominated_) start_check(c.to, true, false, now);
  }
  const auto permille = static_cast<int64_t>(800 + random_.u32() % 401);
  next_consent_ = now + options_.consent_interval * permille / 1000;
}

void IceClient::timeout(Micros now) {
  if (now >= next_consent_) {
    next_consent_ = now + kConsentRetry;
    std::erase_if(pending_, [&](const Check& c) { return c.consent && c.next <= now && c.tries > 0; });
    start_check(*selected_, options_.nominate_always, true, now);
  }
  std::vector<Endpoint> again;
  for (Check& c : pending_) {
    if (c.consent || c.next > now) continue;
    if (c.tries < kMaxTries)
      transmit(c, now);
    else
      again.push_back(c.to);
  }
  for (const Endpoint& to : again) {
    const auto it = std::ranges::find_if(pending_, [&](const Check& c) { return !c.consent && c.to == to; });
    const bool nominates = it->nominates;
    pending_.erase(it);
    start_check(to, nominates, false, now);
  }
}

Micros IceClient::deadline() const {
  Micros due = next_consent_;
  for (const Check& c : pending_)
    if (!c.consent) due = std::min(due, c.next);
  return due;
}

}  // namespace sluice::test
