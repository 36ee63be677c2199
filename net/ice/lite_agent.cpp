#include "net/ice/lite_agent.h"

#include <algorithm>
#include <cstring>

namespace sluice::ice {
namespace {

// Transmissions of a challenge at 0, 100, 300, 700 and 1500 ms.
constexpr Micros kFirstRetransmit = millis(100);
constexpr uint8_t kMaxTries = 5;
// A proven path that answers neither of two probes within 300 ms, or two round trips, is silent.
constexpr uint8_t kProbeTries = 2;
// A path that the selected one may be compared with again: no more than one probe in this time.
constexpr Micros kProbeInterval = seconds(2);
// For so long after a nomination media on another path is a straggler.
constexpr Micros kNominationHold = millis(200);
// The transmission's number replaces these bits of the last byte of a challenge's transaction id, so that
// the round trip is that of the transmission which was answered (Karn's ambiguity).
constexpr uint8_t kTryBits = 7;
static_assert(kMaxTries <= kTryBits);

constexpr Micros sent_after(uint8_t tries_before) { return kFirstRetransmit * ((1 << tries_before) - 1); }

void add_saturating(uint32_t& sum, size_t n) {
  sum = static_cast<uint32_t>(std::min<uint64_t>(uint64_t{sum} + n, UINT32_MAX));
}

uint32_t fold(const stun::TransactionId& tid) {
  // Odd multipliers keep ids apart that differ in few bits.
  return load_be<uint32_t>(&tid[0]) * 0x9E3779B1U ^ load_be<uint32_t>(&tid[4]) * 0x85EBCA77U ^
         load_be<uint32_t>(&tid[8]);
}

}  // namespace

// ---- what happens -----------------------------------------------------------------------------------------

Actions LiteAgent::check(const CheckedRequest& rq, const PathAddress& from, const crypto::Random& random,
                         Micros now) {
  Actions out;
  uint8_t path = find(from);
  bool repeated = false;
  out.drop = refusal(rq, path, repeated);
  if (out.drop != Drop::none) return out;

  const bool is_new = path == kNone;
  if (is_new) path = add_path(from, out);
  Path& p = paths_[path];
  p.at.ifindex = from.ifindex;
  add_saturating(p.bytes_in, rq.bytes);
  out.respond = true;
  add_saturating(p.bytes_out, success_bytes(from.remote.is_v4(), rq.integrity));
  // RFC 8489 §6.3.1: a retransmission is answered again, and is evidence of nothing.
  if (repeated) return out;

  remember(fold(rq.tid), path);
  fresh_check(rq, path, now, out);
  if (!p.proven && p.tries == 0) start_challenge(path, random, now, out);
  reconsider(now, out);
  probe_selected(path, is_new, random, now, out);
  return out;
}

Drop LiteAgent::refusal(const CheckedRequest& rq, uint8_t path, bool& repeated) const {
  if (lost_) return Drop::consent_lost;
  const uint8_t generation = rq.ufrag.ice_generation;
  if (generation != generation_ && generation != active_generation_) return Drop::ufrag_gone;
  for (uint8_t i = 0; i < tid_count_; ++i) {
    if (tids_[i] != fold(rq.tid)) continue;
    if (tid_paths_[i] == kNone || tid_paths_[i] != path) return Drop::stun_replayed;
    repeated = true;
  }
  return Drop::none;
}

void LiteAgent::fresh_check(const CheckedRequest& rq, uint8_t path, Micros now, Actions& out) {
  Path& p = paths_[path];
  p.generation = rq.ufrag.ice_generation;
  p.silent = false;
  p.heard = true;
  if (p.generation != active_generation_) activate_generation(path, out);
  if (rq.use_candidate) {
    for (Path& other : paths_) other.nominated = false;
    p.nominated = true;
    if (path == selected_) nominated_at_ = now;
  }
  renew_consent(path, now);
  if (selected_ == kNone) {
    out.first_check = true;
    select(path, now, out);
  }
}

std::optional<uint8_t> LiteAgent::awaits(const stun::TransactionId& tid) const {
  if (find_challenge(tid) == kNone) return std::nullopt;
  return active_generation_;
}

Actions LiteAgent::response(const stun::TransactionId& tid, const PathAddress& from, Micros now) {
  Actions out;
  const uint8_t path = find_challenge(tid);
  if (path == kNone || !paths_[path].at.same_path(from)) {
    out.drop = Drop::stun_unexpected_response;
    return out;
  }
  Path& p = paths_[path];
  const auto answered = static_cast<uint8_t>(tid.back() & kTryBits);
  const Micros rtt = now - p.challenged_at - sent_after(static_cast<uint8_t>(answered - 1));
  p.tries = 0;
  p.proven = true;
  p.silent = false;
  // RFC 7675 §5.1: consent is an answer to a request of ours.
  renew_consent(path, now);
  // Whoever answers has not gone, on whatever path; media may be about to follow.
  if (shortened_) consent_until_ = paths_[selected_].fresh_at + kConsentLifetime;
  shortened_ = false;
  reconsider(now, out);
  // A timer that was late makes the schedule, and so the difference, wrong by as much.
  if (path == selected_) rtt_us_ = static_cast<uint32_t>(std::clamp<int64_t>(rtt.us, 1, seconds(10).us));
  return out;
}

Actions LiteAgent::proven_by_media(const PathAddress& from, bool newest, Micros now) {
  Actions out;
  const uint8_t path = find(from);
  if (lost_ || path == kNone) return out;
  Path& p = paths_[path];
  p.proven = true;
  p.silent = false;
  p.heard = true;
  if (newest) p.at.ifindex = from.ifindex;
  reconsider(now, out);
  if (path != selected_ && newest && now - nominated_at_ >= kNominationHold) select(path, now, out);
  return out;
}

void LiteAgent::bytes_received(const PathAddress& from, size_t n) {
  if (const uint8_t path = find(from); path != kNone) add_saturating(paths_[path].bytes_in, n);
}

bool LiteAgent::may_send(const PathAddress& to, size_t n) const {
  const uint8_t path = find(to);
  return !lost_ && path != kNone && within_limit(paths_[path], n);
}

void LiteAgent::bytes_sent(const PathAddress& to, size_t n) {
  if (const uint8_t path = find(to); path != kNone) add_saturating(paths_[path].bytes_out, n);
}

void LiteAgent::restart(uint8_t generation, size_t remote_ufrag_chars) {
  generation_ = generation;
  // Challenges under the old credentials may be on their way out: count the longer.
  challenge_bytes_ = std::max(challenge_bytes_, static_cast<uint16_t>(challenge_bytes(remote_ufrag_chars)));
}

Actions LiteAgent::shorten_consent(Micros lifetime, const crypto::Random& random, Micros now) {
  Actions out;
  if (lost_ || selected_ == kNone) return out;
  consent_until_ = std::min(consent_until_, now + lifetime);
  shortened_ = true;
  if (paths_[selected_].tries == 0) start_challenge(selected_, random, now, out);
  return out;
}

// ---- time -------------------------------------------------------------------------------------------------

Actions LiteAgent::timeout(Micros now) {
  Actions out;
  if (lost_) return out;
  for (uint8_t i = 0; i < kMaxPaths; ++i) {
    Path& p = paths_[i];
    if (p.tries == 0 || challenge_due(p) > now) continue;
    if (gives_up(p))
      give_up_challenge(i, now, out);
    else
      transmit_challenge(p, out);
  }
  expire_consent(now, out);
  return out;
}

Micros LiteAgent::deadline() const {
  if (lost_) return kNever;
  Micros due = consent_until_;
  for (const Path& p : paths_)
    if (p.tries != 0) due = std::min(due, challenge_due(p));
  return due;
}

void LiteAgent::renew_consent(uint8_t path, Micros now) {
  paths_[path].fresh_at = now;
  if (path != selected_) return;
  consent_until_ = now + kConsentLifetime;
  shortened_ = false;
}

void LiteAgent::expire_consent(Micros now, Actions& out) {
  if (selected_ == kNone || now < consent_until_) return;
  // The client may have gone on with another path without ever saying so.
  if (!shortened_) {
    uint8_t best = kNone;
    for (uint8_t i = 0; i < kMaxPaths; ++i) {
      const Path& p = paths_[i];
      if (!p.used || !p.proven || p.silent || p.fresh_at + kConsentLifetime <= now) continue;
      if (best == kNone || p.fresh_at > paths_[best].fresh_at) best = i;
    }
    if (best != kNone) return select(best, now, out);
  }
  lost_ = true;
  out.consent_lost = true;
}

// ---- challenges -------------------------------------------------------------------------------------------

Micros LiteAgent::challenge_due(const Path& p) const {
  Micros due = p.challenged_at + sent_after(p.tries);
  if (gives_up(p) && p.proven) due = std::max(due, p.challenged_at + kFirstRetransmit + rtt() * 2);
  return due;
}

bool LiteAgent::gives_up(const Path& p) const { return p.tries >= (p.proven ? kProbeTries : kMaxTries); }

void LiteAgent::start_challenge(uint8_t path, const crypto::Random& random, Micros now, Actions& out) {
  Path& p = paths_[path];
  random.fill(p.tid);
  p.tid.back() &= static_cast<uint8_t>(~kTryBits);
  p.challenged_at = now;
  p.tries = 0;
  p.heard = false;
  transmit_challenge(p, out);
}

void LiteAgent::transmit_challenge(Path& p, Actions& out) {
  ++p.tries;
  // What the limit does not allow is not sent; a client that is there sends more checks, and those raise it.
  if (!within_limit(p, challenge_bytes_)) return;
  add_saturating(p.bytes_out, challenge_bytes_);
  Challenge& c = out.challenges[out.challenge_count++];
  c = {.tid = p.tid, .to = p.at, .generation = active_generation_};
  c.tid.back() |= p.tries;
}

void LiteAgent::give_up_challenge(uint8_t path, Micros now, Actions& out) {
  Path& p = paths_[path];
  p.tries = 0;
  if (p.proven) {
    p.silent = !p.heard;
    reconsider(now, out);
  } else if (path != selected_) {
    forget(path, out);
  }
}

void LiteAgent::probe_selected(uint8_t newcomer, bool is_new, const crypto::Random& random, Micros now,
                               Actions& out) {
  if (newcomer == selected_) return;
  const Path& s = paths_[selected_];
  if (!s.proven || s.silent || s.tries != 0) return;
  if (is_new || now - s.fresh_at >= kProbeInterval) start_challenge(selected_, random, now, out);
}

// ---- which path -------------------------------------------------------------------------------------------

void LiteAgent::reconsider(Micros now, Actions& out) {
  if (selected_ == kNone) return;
  if (const uint8_t better = better_path(); better != kNone) select(better, now, out);
}

uint8_t LiteAgent::better_path() const {
  const Path& s = paths_[selected_];
  const bool must_leave = !s.proven || s.silent || s.generation != active_generation_;
  uint8_t best = kNone;
  for (uint8_t i = 0; i < kMaxPaths; ++i) {
    const Path& p = paths_[i];
    if (i == selected_ || !p.used || !p.proven || p.generation != active_generation_) continue;
    // RFC 8445 §8.1.1: the controlling agent's nomination decides.
    if (p.nominated) return i;
    if (!must_leave || p.silent) continue;
    if (best == kNone || p.fresh_at > paths_[best].fresh_at) best = i;
  }
  return best;
}

void LiteAgent::select(uint8_t path, Micros now, Actions& out) {
  if (selected_ != kNone) {
    ++moves_;
    // What makes us leave it is younger than its nomination.
    paths_[selected_].nominated = false;
  }
  selected_ = path;
  out.moved = true;
  Path& p = paths_[path];
  nominated_at_ = p.nominated ? now : kLongAgo;
  const Micros until = p.fresh_at + kConsentLifetime;
  consent_until_ = shortened_ ? std::min(consent_until_, until) : until;
}

void LiteAgent::activate_generation(uint8_t keep, Actions& out) {
  out.restarted = true;
  active_generation_ = generation_;
  for (uint8_t i = 0; i < kMaxPaths; ++i) {
    Path& p = paths_[i];
    p.nominated = false;
    p.tries = 0;  // answers would be under the old credentials
    if (p.used && i != keep && i != selected_) forget(i, out);
  }
}

// ---- tables -----------------------------------------------------------------------------------------------

uint8_t LiteAgent::find(const PathAddress& p) const {
  for (uint8_t i = 0; i < kMaxPaths; ++i)
    if (paths_[i].used && paths_[i].at.same_path(p)) return i;
  return kNone;
}

uint8_t LiteAgent::find_challenge(const stun::TransactionId& tid) const {
  for (uint8_t i = 0; i < kMaxPaths; ++i) {
    const Path& p = paths_[i];
    const uint8_t answered = tid.back() & kTryBits;
    if (!p.used || answered == 0 || answered > p.tries) continue;
    if (std::memcmp(tid.data(), p.tid.data(), tid.size() - 1) != 0) continue;
    if ((tid.back() & ~kTryBits) == p.tid.back()) return i;
  }
  return kNone;
}

uint8_t LiteAgent::add_path(const PathAddress& p, Actions& out) {
  uint8_t slot = kNone;
  for (uint8_t i = 0; i < kMaxPaths; ++i) {
    const Path& old = paths_[i];
    if (!old.used) {
      slot = i;
      break;
    }
    // Unproven ones go first, then the ones not heard of for longest; never the one in use.
    if (i == selected_) continue;
    if (slot == kNone || old.proven < paths_[slot].proven ||
        (old.proven == paths_[slot].proven && old.fresh_at < paths_[slot].fresh_at))
      slot = i;
  }
  if (paths_[slot].used) forget(slot, out);
  paths_[slot].used = true;
  paths_[slot].at = p;
  return slot;
}

void LiteAgent::forget(uint8_t path, Actions& out) {
  out.forgotten[out.forgotten_count++] = paths_[path].at;
  paths_[path] = Path{};
  for (uint8_t i = 0; i < tid_count_; ++i)
    if (tid_paths_[i] == path) tid_paths_[i] = kNone;
}

void LiteAgent::remember(uint32_t tid, uint8_t path) {
  tids_[tid_next_] = tid;
  tid_paths_[tid_next_] = path;
  tid_next_ = static_cast<uint8_t>((tid_next_ + 1) % kTransactionsRemembered);
  tid_count_ = static_cast<uint8_t>(std::min<size_t>(tid_count_ + size_t{1}, kTransactionsRemembered));
}

bool LiteAgent::within_limit(const Path& p, size_t n) {
  return p.proven || uint64_t{p.bytes_out} + n <= uint64_t{p.bytes_in} * kAmplificationLimit;
}

// ---- figures ----------------------------------------------------------------------------------------------

const PathAddress* LiteAgent::selected() const {
  return lost_ || selected_ == kNone ? nullptr : &paths_[selected_].at;
}

bool LiteAgent::selected_proven() const { return selected() != nullptr && paths_[selected_].proven; }

bool LiteAgent::is_proven(const PathAddress& p) const {
  const uint8_t path = find(p);
  return path != kNone && paths_[path].proven;
}

size_t LiteAgent::path_count() const {
  return static_cast<size_t>(
      std::count_if(paths_.begin(), paths_.end(), [](const Path& p) { return p.used; }));
}

}  // namespace sluice::ice
