#include "tests/sim/attacker.h"

#include <algorithm>

#include "net/crypto/hmac.h"
#include "net/stun/builder.h"
#include "net/wire/classify.h"

namespace sluice::sim {
namespace {

constexpr size_t kCopies = 256;
constexpr Micros kWorkedOff = millis(600);

}  // namespace

void Attacker::overhear(const Seen& s) {
  if (!s.to_server || !s.honest || s.inner) return;
  copies_.push_back({w_.now(), s.from, s.to, {s.bytes.begin(), s.bytes.end()}});
  // Checks are few and worth more to him than media.
  if (copies_.size() <= kCopies) return;
  const auto media = std::ranges::find_if(
      copies_, [](const Copy& c) { return wire::classify(c.bytes) == wire::PacketClass::rtp; });
  copies_.erase(media == copies_.end() ? copies_.begin() : media);
}

Endpoint Attacker::somewhere() {
  // 100.64.0.0/10
  return {Address::v4(0x64400000U | static_cast<uint32_t>(rng_.below(1u << 22))),
          static_cast<uint16_t>(rng_.between(1, 65535))};
}

const Attacker::Copy* Attacker::any_copy() {
  const auto old = std::ranges::find_if(copies_, [&](const Copy& c) { return w_.now() - c.at < kWorkedOff; });
  const auto n = static_cast<uint64_t>(old - copies_.begin());
  return n == 0 ? nullptr : &copies_[rng_.below(n)];
}

const Attacker::Copy* Attacker::any_check() {
  for (int tries = 0; tries < 64; ++tries) {
    const Copy* c = any_copy();
    if (c == nullptr) return nullptr;
    const auto v = stun::View::parse(c->bytes);
    if (v && v->is_binding(stun::Class::request)) return c;
  }
  return nullptr;
}

void Attacker::act() {
  ++acts_;
  switch (rng_.below(8)) {
    case 0:
    case 1:
      return replay_from_elsewhere();
    case 2:
      return replay_from_its_address();
    case 3:
      return send_damaged();
    case 4:
      return flood(rng_.below(200));
    case 5:
      return guess_password();
    case 6:
      return send_garbage();
    default:
      return say_goodbye_for_a_client();
  }
}

void Attacker::replay_from_elsewhere() {
  const Copy* c = rng_.chance(0.7) ? any_check() : any_copy();
  if (c == nullptr) return;
  const Endpoint from = somewhere();
  for (auto n = rng_.between(1, 4); n > 0; --n) w_.inject(from, c->to, c->bytes);
}

void Attacker::replay_from_its_address() {
  if (const Copy* c = any_copy()) w_.inject(c->from, c->to, c->bytes);
}

void Attacker::send_damaged() {
  const Copy* c = any_copy();
  if (c == nullptr || c->bytes.empty()) return;
  auto bytes = c->bytes;
  if (rng_.chance(0.3)) bytes.resize(rng_.below(bytes.size()) + 1);
  for (auto n = rng_.between(1, 8); n > 0; --n) {
    const size_t at = rng_.below(bytes.size());
    bytes[at] = static_cast<uint8_t>(rng_.u64());
  }
  // In the clear anybody can spoil a handshake, so this is for what is protected.
  if (wire::classify(bytes) != wire::PacketClass::dtls) w_.inject(c->from, c->to, bytes);
}

void Attacker::forge_ufrag(const Endpoint& from) {
  constexpr std::string_view kChars = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string ufrag(24, ' ');
  for (char& c : ufrag) c = kChars[rng_.below(kChars.size())];
  stun::TransactionId tid;
  for (uint8_t& b : tid) b = static_cast<uint8_t>(rng_.u64());
  std::array<uint8_t, 256> bytes;
  stun::Builder b(bytes, stun::Class::request, stun::Method::binding, tid);
  b.username(ufrag, "evil");
  b.flag(stun::Attr::use_candidate);
  b.integrity(stun::Integrity::sha1, crypto::kPrimitives, as_bytes("password"));
  b.fingerprint();
  w_.inject(from, target_, b.message());
}

void Attacker::flood(size_t packets) {
  for (size_t i = 0; i < packets; ++i) forge_ufrag(somewhere());
}

/// As `check`, fresh, but for a password that he does not know.
std::vector<uint8_t> Attacker::guess(const Copy& check) {
  const auto v = stun::View::parse(check.bytes);
  stun::TransactionId tid;
  for (uint8_t& b : tid) b = static_cast<uint8_t>(rng_.u64());
  std::vector<uint8_t> bytes(256);
  stun::Builder b(bytes, stun::Class::request, stun::Method::binding, tid);
  const std::string_view name = v->username().value_or("");
  b.attribute(stun::Attr::username, as_bytes(name));
  b.flag(stun::Attr::use_candidate);
  b.integrity(stun::Integrity::sha1, crypto::kPrimitives, as_bytes("password"));
  b.fingerprint();
  bytes.resize(b.size());
  return bytes;
}

void Attacker::guess_password() {
  const Copy* c = any_check();
  if (c == nullptr) return;
  const auto bytes = guess(*c);
  w_.inject(rng_.chance(0.5) ? c->from : somewhere(), c->to, bytes);
}

void Attacker::flood_stolen(size_t packets) {
  const Copy* c = any_check();
  if (c == nullptr) return;
  const Endpoint to = c->to;
  const Copy check = *c;
  for (size_t i = 0; i < packets; ++i) {
    const Endpoint from = somewhere();
    w_.inject(from, to, guess(check));
  }
}

void Attacker::send_garbage() {
  const Copy* c = any_copy();
  std::vector<uint8_t> bytes(rng_.below(rng_.chance(0.1) ? 2200 : 100));
  for (uint8_t& b : bytes) b = static_cast<uint8_t>(rng_.u64());
  // Not DTLS, see send_damaged().
  if (!bytes.empty() && bytes[0] >= 20 && bytes[0] <= 63) bytes[0] = 0x80;
  w_.inject(c != nullptr && rng_.chance(0.5) ? c->from : somewhere(), target_, bytes);
}

void Attacker::say_goodbye_for_a_client() {
  const Copy* c = any_copy();
  if (c == nullptr) return;
  // RFC 6347 §4.1: an alert of epoch 1 that nobody can read.
  std::vector<uint8_t> alert{21, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 9, 0, 26};
  for (int i = 0; i < 26; ++i) alert.push_back(static_cast<uint8_t>(rng_.u64()));
  w_.inject(c->from, c->to, alert);
}

}  // namespace sluice::sim
