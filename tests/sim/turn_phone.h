// A TURN client (RFC 8656, RFC 8016) that holds an allocation and speaks numbered datagrams over a channel.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "net/stun/builder.h"
#include "net/turn/credentials.h"
#include "tests/sim/station.h"

namespace sluice::sim {

struct TurnPhoneOptions {
  uint32_t id = 1;  ///< in every datagram it sends
  std::string user = "alice", password = "wonderland";
  Micros interval = millis(100);
  bool mobile = false;       ///< asks for a mobility ticket
  bool refreshes = true;     ///< keeps its allocation, its channel and the permission
  bool insists = false;      ///< allocates again whenever it has lost its allocation
  bool indications = false;  ///< speaks by Send indications over a permission, not by a channel
  bool reserves = false;     ///< an even port and the one above it (RFC 8656 §7.1), which nobody claims
  Micros refresh = seconds(200);
};

class TurnPhone : public Station {
 public:
  TurnPhone(const TurnPhoneOptions& options, Edge edge, const LinkOptions& link, const Endpoint& server,
            crypto::Random random, Rng rng);

  void allocate(Micros now);
  /// Permits `peer` or binds a channel to it, and speaks to it.
  void speak_to(const Endpoint& peer, Micros now);
  /// Its own address is another one now: says so with its ticket.
  void moved(Micros now);
  /// Lets its allocation go.
  void release(Micros now);
  void hang_up();

  void input(Bytes datagram, const Endpoint& from, Micros now) override;
  void timeout(Micros now) override;
  Micros deadline(Micros) const override;
  std::vector<test::Outgoing> take() override { return std::exchange(out_, {}); }

  const std::optional<Endpoint>& relayed() const { return relayed_; }
  const std::optional<Endpoint>& peer() const { return peer_; }
  bool speaks() const { return next_talk_ != kNever; }
  uint32_t sent() const { return sent_; }
  uint32_t id() const { return options_.id; }
  const std::string& nonce() const { return nonce_; }
  /// Distinct datagrams of phone `id` that reached it; those numbered `from` to below `to`.
  size_t heard(uint32_t id, uint32_t from = 0, uint32_t to = UINT32_MAX) const;
  int last_error() const { return last_error_; }

 private:
  struct Request {
    stun::Method method{};
    stun::TransactionId tid{};
    std::vector<uint8_t> bytes;
    uint32_t lifetime = 600;
    int tries = 0;
    Micros next;
  };
  void ask(stun::Method method, Micros now, uint32_t lifetime = 600);
  void write(Request& r);
  void transmit(Request& r, Micros now);
  void on_response(const stun::View& v, Micros now);
  void on_success(const Request& r, const stun::View& v, Micros now);
  void on_refusal(const Request& r, Micros now);
  bool authentic(const stun::View& v) const;
  void permit(Micros now);
  void talk();
  turn::AuthKey key() const;
  void on_data(Bytes payload);
  void refresh(Micros now);

  TurnPhoneOptions options_;
  Endpoint server_;
  crypto::Random random_;
  std::string realm_, nonce_;
  std::vector<uint8_t> ticket_;
  std::vector<Request> pending_;
  std::vector<test::Outgoing> out_;
  std::optional<Endpoint> relayed_, peer_;
  std::map<uint32_t, std::set<uint32_t>> heard_;
  std::map<Endpoint, uint16_t> channels_;
  Micros next_talk_ = kNever, next_refresh_ = kNever;
  uint32_t sent_ = 0;
  int last_error_ = 0;
};

/// Somebody without TURN who sends back whatever comes.
class Parrot : public Station {
 public:
  Parrot(const Endpoint& at, const LinkOptions& link, Rng rng);

  void input(Bytes datagram, const Endpoint& from, Micros) override {
    ++heard;
    out_.push_back({from, {datagram.begin(), datagram.end()}});
  }
  void say(const Endpoint& to, Bytes bytes) { out_.push_back({to, {bytes.begin(), bytes.end()}}); }
  void timeout(Micros) override {}
  Micros deadline(Micros) const override { return kNever; }
  std::vector<test::Outgoing> take() override { return std::exchange(out_, {}); }

  uint64_t heard = 0;

 private:
  std::vector<test::Outgoing> out_;
};

}  // namespace sluice::sim
