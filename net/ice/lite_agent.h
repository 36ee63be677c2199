// A controlled ICE-lite agent (RFC 8445) with path validation and consent (RFC 7675): which of a client's
// addresses may be sent to, and how much. A plain value without pointers, one per session, owned by the
// session's shard. Pure: time and randomness are arguments, output is data.
//
// A path is a pair (remote, local). It starts unproven: at most 3 bytes go to it per byte that came from it.
// It is proven by an answer to our own binding request (a challenge), or by media that the caller
// authenticated. The first authenticated check's path is selected at once, so that DTLS may begin. After that
// media moves to another path only when that path is proven, and
//   1. the client nominated it (USE-CANDIDATE) later than the selected one, or
//   2. media newer than all before came from it (not within 200 ms of a nomination of the selected path), or
//   3. the selected path is silent: it does not answer a probe that was sent when the other path appeared.
// 3 is for clients that nominate once (Firefox, aiortc, libnice) and, behind a NAT that forgot them, go on
// with consent checks from a new address while they only listen. Chromium nominates in every check on the
// pair it uses, so rule 1 follows it.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "net/base/drop.h"
#include "net/base/endpoint.h"
#include "net/base/units.h"
#include "net/base/virtual_interface.h"
#include "net/crypto/primitives.h"
#include "net/ice/check.h"
#include "net/stun/message.h"

namespace sluice::ice {

/// Where to send, and from where.
struct PathAddress {
  Endpoint remote;
  Endpoint local;
  /// Of the last packet from there; for link-local addresses. Part of the identity only if it is a stream's,
  /// so that TCP and UDP between the same numbers are two paths.
  uint32_t ifindex = 0;

  bool same_path(const PathAddress& o) const {
    return remote == o.remote && local == o.local && stream_of(ifindex) == stream_of(o.ifindex);
  }
};

inline constexpr size_t kMaxPaths = 4;
inline constexpr size_t kTransactionsRemembered = 32;
/// RFC 9000 §8.1 found 3 to be enough for a server's first flight and too little to be worth reflecting.
inline constexpr uint32_t kAmplificationLimit = 3;
/// RFC 7675 §5.1.
inline constexpr Micros kConsentLifetime = seconds(30);
/// After an alert that can no longer be read.
inline constexpr Micros kConsentAfterAlert = seconds(6);

/// A binding request that is to be sent now: write_challenge() with this id and the credentials of
/// `generation`. Its bytes are already accounted for.
struct Challenge {
  stun::TransactionId tid{};
  PathAddress to;
  uint8_t generation = 0;  ///< ICE generation whose remote ufrag and password apply
};

/// What the caller has to do after an event, in this order: answer, challenge, follow the move.
struct Actions {
  Drop drop = Drop::none;     ///< not none: count it, do nothing else
  bool respond = false;       ///< write_success() to where the request came from; bytes already accounted for
  bool first_check = false;   ///< the session's very first authenticated check
  bool moved = false;         ///< selected() is another path than before (also true for the first)
  bool restarted = false;     ///< first check of a new ICE generation: the old credentials are dead
  bool consent_lost = false;  ///< nothing may be sent any more; close the session
  uint8_t challenge_count = 0;
  uint8_t forgotten_count = 0;
  std::array<Challenge, kMaxPaths> challenges{};
  std::array<PathAddress, kMaxPaths> forgotten{};  ///< paths that are no longer known: remove their flows
};

class LiteAgent {
 public:
  LiteAgent() = default;
  /// `generation`: the one minted into the session's first ufrag. `remote_ufrag_chars`: length of the
  /// client's ufrag, from which the size of a challenge follows.
  LiteAgent(uint8_t generation, size_t remote_ufrag_chars)
      : challenge_bytes_(static_cast<uint16_t>(challenge_bytes(remote_ufrag_chars))),
        generation_(generation),
        active_generation_(generation) {}

  /// An authenticated request (check_request()) with error == 0. Drops: stun_replayed (transaction id seen
  /// from another address), ufrag_gone (a generation that is over), consent_lost (session is over).
  Actions check(const CheckedRequest& rq, const PathAddress& from, const crypto::Random& random, Micros now);

  /// The generation of the challenge with this id, whose credentials verify the response; nullopt if no
  /// challenge of ours has it (Drop::stun_unexpected_response).
  std::optional<uint8_t> awaits(const stun::TransactionId& tid) const;
  /// A response whose integrity check_response() verified. Drops: stun_unexpected_response (no such
  /// challenge, or the answer came from elsewhere: RFC 8445 §7.2.5.2.1).
  Actions response(const stun::TransactionId& tid, const PathAddress& from, Micros now);

  /// A DTLS, SRTP or SRTCP packet that its protocol authenticated and found new to its replay window.
  /// `newest`: it advanced the highest index of its stream (RFC 9000 §9.3 has the reason: a packet that was
  /// overtaken must not take media back). No effect for an address that never passed a check.
  Actions proven_by_media(const PathAddress& from, bool newest, Micros now);

  /// Nothing that proven_by_media() could change: the path is selected, proven and quiet. Cheap, for each
  /// packet.
  bool settled_on(const PathAddress& from) const {
    if (selected_ == kNone) return false;
    const Path& p = paths_[selected_];
    return p.proven && !p.silent && p.tries == 0 && p.at.same_path(from);
  }

  /// Bytes that came from an address other than by check(), authenticated or not; they raise its limit.
  void bytes_received(const PathAddress& from, size_t n);
  /// Whether n bytes may go to an address now: a known path, proven or within its limit, and consent in
  /// force. Says nothing about the budgets of net/ice/admission.h.
  bool may_send(const PathAddress& to, size_t n) const;
  /// Bytes that were sent there, other than the answers and challenges of Actions.
  void bytes_sent(const PathAddress& to, size_t n);

  /// New credentials were minted (an ICE restart): checks of `generation` and of the one in use are both
  /// taken until the new generation's first check; media stays where it is until a path of it is proven.
  void restart(uint8_t generation, size_t remote_ufrag_chars);

  /// The peer says goodbye in a way that cannot be verified: unless a fresh check or an answer to the
  /// challenge returned here comes within `lifetime`, consent is lost. A forged alert so costs one round
  /// trip.
  Actions shorten_consent(Micros lifetime, const crypto::Random& random, Micros now);

  /// To be called when deadline() has passed; harmless earlier.
  Actions timeout(Micros now);
  /// When timeout() is due next; kNever before the first check.
  Micros deadline() const;

  /// The path that media takes; nullptr before the first check and after consent is lost.
  const PathAddress* selected() const;
  bool selected_proven() const;
  bool is_known(const PathAddress& p) const { return find(p) != kNone; }
  bool is_proven(const PathAddress& p) const;
  /// The newest fresh check from there, or answer to a challenge; long ago if there was none.
  Micros fresh_at(const PathAddress& p) const {
    const uint8_t path = find(p);
    return path == kNone ? kLongAgo : paths_[path].fresh_at;
  }
  size_t path_count() const;
  /// f(const PathAddress&) for every known path.
  template <class F>
  void for_each_path(F&& f) const {
    for (const Path& p : paths_)
      if (p.used) f(p.at);
  }
  /// Of the last challenge that was answered on the selected path; 0 us: not measured yet.
  Micros rtt() const { return micros(rtt_us_); }
  /// Address changes, the first selection not counted.
  uint32_t moves() const { return moves_; }
  bool consent_lost() const { return lost_; }
  /// shorten_consent() was called, and nothing fresh has come since.
  bool consent_shortened() const { return shortened_; }
  uint8_t generation() const { return generation_; }

 private:
  static constexpr uint8_t kNone = 0xff;
  static constexpr Micros kLongAgo{INT64_MIN / 2};

  struct Path {
    PathAddress at;
    uint32_t bytes_in = 0;   ///< saturating
    uint32_t bytes_out = 0;  ///< saturating
    Micros challenged_at;    ///< first transmission of the challenge in flight
    Micros fresh_at;         ///< last fresh check, or answer to a challenge
    stun::TransactionId tid{};
    uint8_t generation = 0;  ///< of the last fresh check
    uint8_t tries = 0;       ///< transmissions of the challenge in flight; 0: none in flight
    bool used : 1 = false;
    bool proven : 1 = false;
    bool nominated : 1 = false;  ///< by the latest nomination, and no later evidence has overruled it
    bool silent : 1 = false;     ///< proven, did not answer its last challenge, and nothing came since
    bool heard : 1 = false;      ///< something authentic came since the challenge in flight was sent
  };

  uint8_t find(const PathAddress& p) const;
  uint8_t find_challenge(const stun::TransactionId& tid) const;
  uint8_t add_path(const PathAddress& p, Actions& out);
  void forget(uint8_t path, Actions& out);
  uint8_t seen_from(uint32_t tid) const;
  void remember(uint32_t tid, uint8_t path);
  Drop refusal(const CheckedRequest& rq, uint8_t path, bool& repeated) const;
  void fresh_check(const CheckedRequest& rq, uint8_t path, Micros now, Actions& out);
  void renew_consent(uint8_t path, Micros now);
  void probe_selected(uint8_t newcomer, bool is_new, const crypto::Random& random, Micros now, Actions& out);
  void activate_generation(uint8_t keep, Actions& out);
  void start_challenge(uint8_t path, const crypto::Random& random, Micros now, Actions& out);
  void transmit_challenge(Path& p, Actions& out);
  void give_up_challenge(uint8_t path, Micros now, Actions& out);
  bool gives_up(const Path& p) const;
  Micros challenge_due(const Path& p) const;
  uint8_t better_path() const;
  void reconsider(Micros now, Actions& out);
  void select(uint8_t path, Micros now, Actions& out);
  void expire_consent(Micros now, Actions& out);
  static bool within_limit(const Path& p, size_t n);

  std::array<Path, kMaxPaths> paths_{};
  // Transaction ids folded to 32 bits: a replay always matches; an honest new id is taken for one that was
  // seen from another path, and dropped once, with probability 2^-27.
  std::array<uint32_t, kTransactionsRemembered> tids_{};
  std::array<uint8_t, kTransactionsRemembered> tid_paths_{};  ///< kNone: from a path that is forgotten
  Micros consent_until_ = kNever;
  Micros nominated_at_ = kLongAgo;  ///< last nomination of the selected path
  uint32_t rtt_us_ = 0;
  uint32_t moves_ = 0;
  uint16_t challenge_bytes_ = 0;
  uint8_t generation_ = 0;         ///< of the newest credentials
  uint8_t active_generation_ = 0;  ///< of the credentials that the client uses
  uint8_t selected_ = kNone;
  uint8_t tid_next_ = 0;
  uint8_t tid_count_ = 0;
  bool lost_ : 1 = false;
  bool shortened_ : 1 = false;  ///< consent_until_ was brought forward and nothing fresh came since
};
static_assert(sizeof(LiteAgent) <= 512);

}  // namespace sluice::ice
