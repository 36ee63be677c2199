// A full, controlling ICE agent (RFC 8445) against one lite server, sans-IO: one local candidate, whose
// address it does not know, and the server's candidates from the answer.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "net/base/endpoint.h"
#include "net/base/units.h"
#include "net/crypto/primitives.h"
#include "net/stun/message.h"
#include "tests/client/offer.h"

namespace sluice::test {

/// A datagram on its way out.
struct Outgoing {
  Endpoint to;
  std::vector<uint8_t> bytes;
};

struct IceOptions {
  /// Chromium nominates in every check; Firefox, aiortc and libnice once.
  bool nominate_always = true;
  /// RFC 7675 §5.1 says 5 s, Chromium does 2.5 s; varied by 0.8 to 1.2.
  Micros consent_interval = millis(2500);
};

/// `n` of ICE's characters (RFC 8839 §5.4), by chance.
std::string ice_text(crypto::Random random, size_t n);

class IceClient {
 public:
  IceClient(const IceOptions& options, crypto::Random random);

  /// Of the newest generation.
  const IceCredentials& local() const { return now_.local; }
  /// Fresh local credentials; what is in use stays in use until the first check of the new ones succeeds.
  void restart();
  /// The answer to the newest local credentials: checks begin.
  void set_remote(IceCredentials remote, std::vector<Endpoint> candidates, Micros now);

  /// One STUN datagram.
  void input(Bytes datagram, const Endpoint& from, Micros now);
  void timeout(Micros now);
  Micros deadline() const;
  std::vector<Outgoing> take() { return std::exchange(out_, {}); }

  /// Where media goes; nullptr until a check has succeeded.
  const Endpoint* selected() const { return selected_ ? &*selected_ : nullptr; }
  /// RFC 7675 §5.1: no answer for 30 s.
  bool consent_lost(Micros now) const { return selected_ && now - answered_at_ >= seconds(30); }
  /// No more checks and answers.
  void stop();

  uint64_t checks_sent() const { return checks_; }
  uint64_t checks_answered() const { return answers_; }
  uint64_t challenges_answered() const { return challenges_; }
  /// What the server says our address is.
  const std::optional<Endpoint>& mapped() const { return mapped_; }

 private:
  struct Generation {
    IceCredentials local, remote;
    std::vector<Endpoint> candidates;
  };
  struct Check {
    stun::TransactionId tid{};
    Endpoint to;
    bool nominates = false;
    bool consent = false;
    std::string remote_pwd;
    int tries = 0;
    Micros next;  // transmission
  };

  /// Whose credentials checks carry: the old ones until the answer to a restart is here.
  const Generation& in_use() const { return awaiting_answer_ ? before_ : now_; }
  void make_local();
  void start_check(const Endpoint& to, bool nominate, bool consent, Micros now);
  void transmit(Check& c, Micros now);
  void on_request(const stun::View& v, const Endpoint& from);
  void on_response(const stun::View& v, const Endpoint& from, Micros now);
  void on_success(const Check& c, const stun::View& v, Micros now);

  IceOptions options_;
  crypto::Random random_;
  Generation now_, before_;
  std::vector<Check> pending_;
  std::vector<Outgoing> out_;
  std::optional<Endpoint> selected_, mapped_;
  Micros next_consent_ = kNever;
  Micros answered_at_;
  bool awaiting_answer_ = false;
  bool nominated_ = false;
  bool stopped_ = false;
  uint64_t tie_breaker_ = 0;
  uint64_t checks_ = 0, answers_ = 0, challenges_ = 0;
};

}  // namespace sluice::test
