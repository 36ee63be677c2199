// A light call: a client and a server of other people's, who speak ICE and numbered datagrams and no DTLS, so
// that a world can hold many of them.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tests/client/ice.h"
#include "tests/sim/station.h"

namespace sluice::sim {

/// A media server that knows nothing of relays. Sends back what the client of a session sends, to where the
/// session's newest check came from.
class PlainServer : public Station {
 public:
  /// `prefix`: of its ufrags. `checks`: it asks its clients for consent too, as full agents do.
  PlainServer(const Endpoint& at, std::string prefix, bool checks, crypto::Random random,
              const LinkOptions& link, Rng rng);

  /// A session for whoever has these credentials; its own.
  test::IceCredentials admit(const test::IceCredentials& client);
  const Endpoint& at() const { return at_; }
  const std::string& prefix() const { return prefix_; }

  void input(Bytes datagram, const Endpoint& from, Micros now) override;
  void timeout(Micros now) override;
  Micros deadline(Micros) const override { return next_check_; }
  std::vector<test::Outgoing> take() override { return std::exchange(out_, {}); }

  uint64_t checks_answered() const { return checks_answered_; }  ///< its own, by clients
  uint64_t refused() const { return refused_; }                  ///< requests that prove nothing

 private:
  struct Session {
    test::IceCredentials server, client;
    std::optional<Endpoint> at;
    std::vector<stun::TransactionId> seen;
    stun::TransactionId asked{};
  };
  void on_request(const stun::View& v, const Endpoint& from, Micros now);
  void on_response(const stun::View& v, const Endpoint& from);

  Endpoint at_;
  std::string prefix_;
  bool checks_;
  crypto::Random random_;
  std::map<std::string, Session> sessions_;  ///< by its own ufrag
  std::vector<test::Outgoing> out_;
  Micros next_check_ = kNever;
  uint64_t checks_answered_ = 0, refused_ = 0;
};

struct PhoneOptions {
  uint32_t id = 1;
  test::IceOptions ice;
  Micros interval = millis(20);
  size_t payload = 60;
};

class Phone : public Station {
 public:
  Phone(const PhoneOptions& options, Edge edge, Link up, Link down, crypto::Random random);

  const test::IceCredentials& local() const { return ice_.local(); }
  void dial(const test::IceCredentials& remote, const Endpoint& server, Micros now);
  void hang_up();
  void stop_talking() { next_talk_ = kNever; }

  void input(Bytes datagram, const Endpoint& from, Micros now) override;
  void timeout(Micros now) override;
  Micros deadline(Micros) const override { return std::min(ice_.deadline(), next_talk_); }
  std::vector<test::Outgoing> take() override;

  bool connected() const { return ice_.selected() != nullptr; }
  const PhoneOptions& options() const { return options_; }
  uint32_t sent() const { return sent_; }
  /// Of the datagrams from..to-1, how many have come back.
  size_t heard(uint32_t from, uint32_t to) const;
  /// Empty while everything that came was its own, or another phone's.
  const std::string& problem() const { return problem_; }
  /// What came of other phones'.
  uint64_t strange() const { return strange_; }
  const test::IceClient& ice() const { return ice_; }

 private:
  std::vector<uint8_t> packet(uint32_t n) const;

  PhoneOptions options_;
  test::IceClient ice_;
  std::vector<test::Outgoing> out_;
  std::set<uint32_t> heard_;
  Micros next_talk_ = kNever;
  uint32_t sent_ = 0;
  uint64_t strange_ = 0;
  std::string problem_;
};

}  // namespace sluice::sim
