// The whole engine without threads: shards, the handshake worker and the control side, joined by rings. A
// runner gives each shard a thread; the simulator steps them itself.
#pragma once

#include <deque>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/config.h"
#include "engine/relay/control.h"
#include "engine/relay/shortage.h"
#include "engine/report.h"
#include "engine/shard/core.h"
#include "engine/signal/registry.h"
#include "engine/signal/rooms.h"
#include "engine/slow/handshake_worker.h"
#include "engine/slow/streams.h"
#include "net/crypto/random.h"
#include "net/dtls/context.h"
#include "net/ice/shard_keys.h"
#include "net/io/backend.h"
#include "net/sdp/answer.h"

namespace sluice::engine {

class Shard;
struct ShardLinks;

struct AcceptRequest {
  Role role = Role::publish;
  std::string_view name;
  std::string_view offer;
  bool takeover = false;
};
struct Accepted {
  SessionKey key;
  uint32_t ice_generation = 0;
  std::string answer;
};
struct Trickled {
  uint32_t ice_generation = 0;
  std::string answer;  ///< empty unless ICE was restarted
};

struct Event {
  enum class Kind : uint8_t { created, checking, connected, moved, closed, drained };
  Kind kind = Kind::created;
  SessionKey session;
  CloseReason reason = CloseReason::none;
  Micros time;
};

/// An allocation as its shard has published it.
struct TurnAllocation {
  uint64_t name = 0;  ///< for as long as the process lives; never 0
  ShardId shard;
  TurnReport report;
};

struct EngineTotals {
  uint32_t fresh = 0, checking = 0, connected = 0;
  uint64_t created = 0, closed = 0, steered = 0;
  std::array<uint64_t, 8> closed_by_reason{};
};

/// Control thread, unless a function says otherwise.
class Engine {
 public:
  using MakeBackend =
      std::function<std::expected<std::unique_ptr<io::Backend>, io::IoError>(ShardId, PacketPool&)>;
  /// Called for each client address that arrives at another shard than its session's owner; false if steering
  /// is not to be had.
  using Steer = std::function<bool(const Endpoint& remote, const Endpoint& local, ShardId owner)>;

  /// What `random` refers to must outlive the engine. `unix_offset`: wall clock minus the monotonic clock, in
  /// microseconds. Everything that shards will ever use is allocated here.
  static std::expected<std::unique_ptr<Engine>, Failure> make(EngineConfig config, dtls::Context context,
                                                              crypto::Random random,
                                                              const MakeBackend& backend, Micros now,
                                                              int64_t unix_offset_us);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  std::expected<Accepted, Failure> accept(const AcceptRequest& request, Micros now);
  /// `generation`: the one that the client names; empty for any. An answer of more than `answer_max` bytes is
  /// returned all the same, but nothing has changed then.
  std::expected<Trickled, Failure> trickle(SessionKey key, std::optional<uint32_t> generation,
                                           std::string_view fragment, size_t answer_max, Micros now);
  std::expected<void, Failure> hangup(SessionKey key, CloseReason reason, Micros now);
  /// No new sessions and allocations; what lives goes on until `deadline`. Event::Kind::drained when nothing
  /// is left.
  void drain(Micros deadline, Micros now);
  bool drained() const { return drained_; }
  /// The wall clock as it is now, minus the monotonic one: what expires at a time of day follows it.
  void follow_wall_clock(int64_t offset_us);

  // The relay tier.
  /// Makes a server known or gives it another address; calls that it owns follow.
  std::expected<void, Failure> put_server(const relay::ServerConfig& server);
  /// Its flows are dropped. NOT_FOUND.
  std::expected<void, Failure> remove_server(relay::ServerId id);
  /// All of them or none: INVALID, CONFLICT (the same ufrag leads elsewhere), LIMIT; `field` is
  /// "routes[3].ufrag".
  std::expected<void, Failure> put_routes(std::span<const relay::RouteRequest> routes, Micros now);
  /// By ufrag and prefix, whatever else they say; returns how many there were. Flows go on.
  size_t remove_routes(std::span<const relay::RouteRequest> routes);
  std::vector<relay::ServerReport> servers() const;
  relay::RelayTotals relay_totals() const;
  /// Media that went past trunks, packets and bytes.
  std::pair<uint64_t, uint64_t> direct_totals() const;
  /// All zero if this process serves no TURN.
  turn::Counters turn_totals() const;
  /// Allocations in the order of their names, those behind `after` (0: from the first); returns how many were
  /// filled in. As the shards last published them, a quarter of a second ago where payloads flow.
  size_t turn_allocations(uint64_t after, std::span<TurnAllocation> out) const;
  /// Ends it, as soon as its shard hears of it. NOT_FOUND.
  std::expected<void, Failure> end_allocation(uint64_t name);

  /// Takes what the shards have to say, pushes what they must know, ends what is overdue. At least once a
  /// second.
  void poll(Micros now);
  /// A line for the log while relay ports run short, once a minute; cheap to ask at every poll.
  std::optional<std::string> port_warning(Micros now);
  /// Oldest first; false if there is none.
  bool next_event(Event& out);
  bool has_events() const { return !events_.empty(); }

  void set_steer(Steer steer) { steer_ = std::move(steer); }
  /// Before the first step: how shards wake the control thread and the thread that steps the worker.
  void set_bells(slow::Wake control, slow::Wake worker, slow::Wake streams = {});
  /// What a streams worker is joined by; empty if the configuration has no streams.
  std::vector<slow::StreamPort> stream_ports();

  // Stepped by threads of their own, or by the simulator.
  size_t shard_count() const { return shards_.size(); }
  Shard& shard(size_t i) { return *shards_[i]; }
  slow::HandshakeWorker& worker() { return *worker_; }

  const EngineConfig& config() const { return config_; }
  const dtls::Context& dtls() const { return dtls_; }
  std::string_view srtp_name() const;
  Registry& sessions() { return registry_; }
  const Rooms& rooms() const { return rooms_; }
  EngineTotals totals() const;
  bool draining() const { return drain_at_.has_value(); }
  /// The newest report, or the offer's data if no shard has adopted it yet. False: no such session.
  bool session_report(SessionKey key, SessionReport& out) const;
  bool shard_report(size_t shard, ShardReport& out) const;
  /// Capacities in bytes, for people.
  std::string describe() const;

 private:
  uint64_t unix_seconds(Micros now) const {
    return static_cast<uint64_t>(now.us + unix_offset_us_) / 1'000'000;
  }
  Engine(EngineConfig config, dtls::Context context, crypto::Random random, int64_t unix_offset_us);

  std::expected<void, Failure> build(const MakeBackend& backend, Micros now);
  void add_keys();
  void make_relay(Micros now);
  std::expected<void, Failure> make_turn();
  void start_trunk(Core& core, size_t shard);
  std::expected<void, Failure> grant_relay_ports();
  ice::ShardKeys shard_keys() const;
  ShardLimits limits() const;
  std::expected<void, Failure> check_room(const AcceptRequest& request) const;
  std::expected<void, Failure> hold_room(SessionRecord& record, const AcceptRequest& request);
  void mint(SessionRecord& record, Micros now);
  sdp::LocalTransport local_transport(const SessionRecord& record) const;
  void take_notice(ShardId shard, const Notice& n);
  void on_connected(SessionRecord& record, Micros now);
  void on_closed(SessionRecord& record, CloseReason reason, Micros now);
  void close(SessionRecord& record, CloseReason reason, Micros now);
  void leave_room(SessionRecord& record);
  void tell(ShardId shard, const Command& c);
  void tell_all(const Command& c);
  void push_commands();
  void end_overdue(Micros now);
  bool turn_drained(bool end);
  void emit(Event::Kind kind, const SessionRecord& record, Micros now);

  EngineConfig config_;
  dtls::Context dtls_;
  crypto::Random random_;
  ice::ShardKeys keys_;
  Directory directory_;
  Registry registry_;
  Rooms rooms_;
  std::unique_ptr<TurnShared> turn_;  ///< if this process serves TURN
  std::unique_ptr<ShardLinks> links_;
  std::unique_ptr<TrunkRoutes> trunk_routes_;  ///< if this process has a trunk
  std::vector<std::unique_ptr<Shard>> shards_;
  std::unique_ptr<slow::HandshakeWorker> worker_;
  std::vector<std::deque<Command>> outbox_;  ///< per shard; what did not fit in its ring yet
  std::deque<Event> events_;
  std::vector<SessionKey>
      reported_;  ///< whose end the caller has heard of; their reports stay readable until the next poll()
  std::deque<SessionKey> setups_;  ///< in order of their deadlines
  std::optional<Micros> drain_at_;
  bool drained_ = false;
  bool turn_ended_ = false;
  EngineTotals totals_;
  int64_t unix_offset_us_ = 0;               ///< at start
  int64_t wall_offset_us_ = 0;               ///< followed
  std::vector<relay::FleetKey> fleet_keys_;  ///< the first one mints
  std::unique_ptr<relay::Control> relay_;    ///< if this process is a relay
  std::string relay_text_;                   ///< how its ports are served, a line
  uint32_t most_ports_ = 0;                  ///< that a shard can have open at once
  relay::PortShortage port_shortage_;
  Steer steer_;
};

}  // namespace sluice::engine
