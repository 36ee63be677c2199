// One client and one server joined by a link that loses, repeats and delays datagrams, in virtual time.
#pragma once

#include <algorithm>
#include <functional>
#include <optional>
#include <queue>
#include <random>

#include "net/dtls/context.h"
#include "net/dtls/record.h"
#include "net/dtls/server.h"
#include "tests/unit/dtls/client.h"

namespace sluice::test {

inline const dtls::Context& server_context() {
  static const dtls::Context context = [] {
    const auto identity = dtls::Identity::generate(1'700'000'000);
    return std::move(dtls::Context::make(identity.value()).value());
  }();
  return context;
}

struct LinkFaults {
  double loss = 0;
  double duplicate = 0;
  Micros delay = millis(20);
  Micros jitter{};  ///< uniformly added to `delay`, so that datagrams overtake each other
};

/// What the shard does once the SSL object is gone.
struct Remains {
  dtls::SrtpKeys keys;
  Datagram last_flight;
  Datagram close_notify;
  int replays = 0;
};

class Call {
 public:
  explicit Call(const ClientOptions& options = {}, const LinkFaults& faults = {}, uint32_t seed = 1)
      : client(options), faults_(faults), random_(seed) {
    server.emplace(server_context(), client.fingerprint());
    set_virtual_time(now);
  }

  /// Free the server's SSL object at once when connected, as the worker does.
  bool free_when_connected = false;
  /// Called with each datagram that is about to be put on the link; false: lost. `to_server` names the
  /// direction.
  std::function<bool(bool to_server, const Datagram&)> filter;
  Micros now = seconds(1);
  Client client;
  std::optional<dtls::Server> server;
  std::optional<Remains> remains;
  dtls::Output out;

  bool server_connected() const { return remains || server->state() == dtls::State::connected; }
  bool both_connected() const { return client.connected() && server_connected(); }

  void start() {
    client.start();
    send_all();
  }
  /// Runs until `done`, nothing is left to happen, or the time is over.
  void run(Micros until, const std::function<bool()>& done) {
    while (!done()) {
      const Micros next = next_event();
      if (next > until) return;
      now = std::max(now, next);
      set_virtual_time(now);
      step();
    }
  }
  bool connect(Micros within = seconds(30)) {
    start();
    run(now + within, [&] { return both_connected(); });
    return both_connected();
  }
  void send_all() {
    for (Datagram& d : client.take()) put(true, std::move(d));
    for (size_t i = 0; i < out.size(); ++i) put(false, Datagram(out[i].begin(), out[i].end()));
    out.clear();
  }

 private:
  struct InFlight {
    Micros at;
    uint64_t order;
    bool to_server;
    Datagram bytes;
    bool operator<(const InFlight& o) const { return std::tie(at, order) > std::tie(o.at, o.order); }
  };

  bool chance(double p) { return std::uniform_real_distribution<>(0, 1)(random_) < p; }

  void put(bool to_server, Datagram d) {
    if (filter && !filter(to_server, d)) return;
    const int copies = chance(faults_.loss) ? 0 : chance(faults_.duplicate) ? 2 : 1;
    for (int i = 0; i < copies; ++i) {
      Micros at = now + faults_.delay;
      if (faults_.jitter.us > 0)
        at.us += std::uniform_int_distribution<int64_t>(0, faults_.jitter.us)(random_);
      link_.push({at, order_++, to_server, d});
    }
  }

  Micros next_event() const {
    Micros next = link_.empty() ? kNever : link_.top().at;
    if (server) next = std::min(next, server->deadline());
    if (const auto left = client.time_left()) next = std::min(next, now + *left);
    return next;
  }

  void step() {
    while (!link_.empty() && link_.top().at <= now) {
      const InFlight d = link_.top();
      link_.pop();
      if (!d.to_server)
        client.input(d.bytes);
      else if (server)
        server->input(d.bytes, now, out);
      else
        replay(d.bytes);
      send_all();
    }
    if (server) server->timeout(now, out);
    if (const auto left = client.time_left(); left && left->us <= 0) client.timeout();
    if (server && free_when_connected && server->state() == dtls::State::connected) free_server();
    send_all();
  }

  void free_server() {
    Remains r;
    r.keys = server->export_keys().value();
    r.last_flight.assign(server->last_flight().begin(), server->last_flight().end());
    dtls::Output bye;
    server->close(bye);
    r.close_notify.assign(bye[0].begin(), bye[0].end());
    remains = std::move(r);
    server.reset();
  }

  void replay(const Datagram& d) {
    if (!dtls::looks_like_client_retransmission(d)) return;
    ++remains->replays;
    out.push(remains->last_flight);
  }

  LinkFaults faults_;
  std::mt19937 random_;
  std::priority_queue<InFlight> link_;
  uint64_t order_ = 0;
};

inline bool same(const dtls::SrtpKeys& a, const dtls::SrtpKeys& b) {
  return a.profile == b.profile && a.client_key_bytes == b.client_key_bytes &&
         a.server_key_bytes == b.server_key_bytes && a.client_salt_bytes == b.client_salt_bytes &&
         a.server_salt_bytes == b.server_salt_bytes;
}

}  // namespace sluice::test
