#include "tests/sim/phone.h"

#include <algorithm>

#include "net/crypto/hmac.h"
#include "net/stun/builder.h"
#include "net/wire/classify.h"

namespace sluice::sim {
namespace {

constexpr size_t kTidsKept = 64;
constexpr Micros kServerChecks = millis(2500);
constexpr size_t kRtpBytes = 12;

}  // namespace

PlainServer::PlainServer(const Endpoint& at, std::string prefix, bool checks, crypto::Random random,
                         const LinkOptions& link, Rng rng)
    : Station{Edge({.nat = false, .kind = {}}, at, at.addr, rng.fork()), Link(link, rng.fork()),
              Link(link, rng.fork()), !at.is_v4()},
      at_(at),
      prefix_(std::move(prefix)),
      checks_(checks),
      random_(random) {}

test::IceCredentials PlainServer::admit(const test::IceCredentials& client) {
  Session s;
  s.server = {prefix_ + test::ice_text(random_, 4), test::ice_text(random_, 24)};
  s.client = client;
  const test::IceCredentials own = s.server;
  sessions_[own.ufrag] = std::move(s);
  return own;
}

void PlainServer::input(Bytes datagram, const Endpoint& from, Micros now) {
  if (wire::classify(datagram) != wire::PacketClass::stun) {
    for (const auto& [ufrag, s] : sessions_)
      if (s.at == from) out_.push_back({from, {datagram.begin(), datagram.end()}});
    return;
  }
  const auto view = stun::View::parse(datagram);
  if (!view || !view->fingerprint_ok()) return;
  if (view->is_binding(stun::Class::request)) on_request(*view, from, now);
  if (view->is_binding(stun::Class::success)) on_response(*view, from);
}

void PlainServer::on_request(const stun::View& v, const Endpoint& from, Micros now) {
  const std::string_view name = v.username().value_or("");
  const auto it = sessions_.find(std::string(name.substr(0, name.find(':'))));
  if (it == sessions_.end() || !v.integrity_ok(crypto::kPrimitives, as_bytes(it->second.server.pwd))) {
    ++refused_;
    return;
  }
  Session& s = it->second;
  // A copy that comes late says nothing about where the client is now.
  const bool fresh = std::ranges::find(s.seen, v.transaction_id()) == s.seen.end();
  if (fresh) {
    if (s.seen.size() == kTidsKept) s.seen.erase(s.seen.begin());
    s.seen.push_back(v.transaction_id());
    s.at = from;
    if (checks_ && next_check_ == kNever) next_check_ = now + kServerChecks;
  }
  std::vector<uint8_t> bytes(128);
  stun::Builder b(bytes, stun::Class::success, stun::Method::binding, v.transaction_id());
  b.xor_address(stun::Attr::xor_mapped_address, from);
  b.integrity(stun::Integrity::sha1, crypto::kPrimitives, as_bytes(s.server.pwd));
  b.fingerprint();
  bytes.resize(b.size());
  out_.push_back({from, std::move(bytes)});
}

void PlainServer::on_response(const stun::View& v, const Endpoint& from) {
  for (const auto& [ufrag, s] : sessions_)
    if (s.at == from && s.asked == v.transaction_id() &&
        v.integrity_ok(crypto::kPrimitives, as_bytes(s.client.pwd)))
      ++checks_answered_;
}

void PlainServer::timeout(Micros now) {
  if (now < next_check_) return;
  next_check_ = now + kServerChecks;
  for (auto& [ufrag, s] : sessions_) {
    if (!s.at) continue;
    random_.fill(s.asked);
    std::vector<uint8_t> bytes(256);
    stun::Builder b(bytes, stun::Class::request, stun::Method::binding, s.asked);
    b.username(s.client.ufrag, s.server.ufrag);
    b.u32(stun::Attr::priority, 1);
    b.u64(stun::Attr::ice_controlled, 1);
    b.integrity(stun::Integrity::sha1, crypto::kPrimitives, as_bytes(s.client.pwd));
    b.fingerprint();
    bytes.resize(b.size());
    out_.push_back({*s.at, std::move(bytes)});
  }
}

Phone::Phone(const PhoneOptions& options, Edge e, Link u, Link d, crypto::Random random)
    : Station(std::move(e), u, d, false), options_(options), ice_(options.ice, random) {}

void Phone::dial(const test::IceCredentials& remote, const Endpoint& server, Micros now) {
  ice_.set_remote(remote, {server}, now);
  next_talk_ = now;
}

void Phone::hang_up() {
  ice_.stop();
  stop_talking();
}

/// An RTP packet as one of Opus would be, whose every byte follows from the phone and the number.
std::vector<uint8_t> Phone::packet(uint32_t n) const {
  std::vector<uint8_t> b(kRtpBytes + options_.payload);
  b[0] = 0x80, b[1] = 111;
  store_be<uint16_t>(&b[2], static_cast<uint16_t>(n));
  store_be<uint32_t>(&b[4], n);
  store_be<uint32_t>(&b[8], options_.id);
  for (size_t i = kRtpBytes; i < b.size(); ++i) b[i] = static_cast<uint8_t>(n * 7 + options_.id + i);
  return b;
}

void Phone::input(Bytes datagram, const Endpoint& from, Micros now) {
  if (wire::classify(datagram) == wire::PacketClass::stun) return ice_.input(datagram, from, now);
  const bool whole = datagram.size() == kRtpBytes + options_.payload;
  const uint32_t n = whole ? load_be<uint32_t>(&datagram[4]) : UINT32_MAX;
  if (whole && load_be<uint32_t>(&datagram[8]) != options_.id) {
    ++strange_;
  } else if (n >= sent_ || !std::ranges::equal(packet(n), datagram)) {
    problem_ = "it was sent something that it never said";
  } else {
    heard_.insert(n);
  }
}

void Phone::timeout(Micros now) {
  ice_.timeout(now);
  if (now < next_talk_) return;
  next_talk_ = now + options_.interval;
  if (const Endpoint* to = ice_.selected()) out_.push_back({*to, packet(sent_++)});
}

std::vector<test::Outgoing> Phone::take() {
  auto out = ice_.take();
  for (test::Outgoing& o : out_) out.push_back(std::move(o));
  out_.clear();
  return out;
}

size_t Phone::heard(uint32_t from, uint32_t to) const {
  return static_cast<size_t>(std::distance(heard_.lower_bound(from), heard_.lower_bound(to)));
}

}  // namespace sluice::sim
