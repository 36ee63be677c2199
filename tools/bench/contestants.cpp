#include "tools/bench/contestants.h"

#include <fmt/format.h>

namespace sluice::bench {
namespace {

constexpr uint16_t kForwarderPort = 5000, kSluicePort = 3478, kCoturnPort = 3479;
constexpr const char* kServerAddress = "198.18.0.1";
constexpr const char* kRelayAddress = "198.18.0.2";
constexpr const char* kFarSide = "198.19.0.1:7000";
constexpr double kRelayRate = 50, kTurnRate = 10;  ///< packets per second of a flow and direction
constexpr const char* kTurnUser = "bench:bench";
constexpr Bar at_least(double v) { return {Bar::Side::at_least, v}; }
constexpr Bar at_most(double v) { return {Bar::Side::at_most, v}; }

using Words = std::vector<std::string>;

class Maker {
 public:
  Maker(const Stage& stage, const Versions& versions) : stage_(stage), versions_(versions) {}

  Contestant forwarder(double rate) const {
    Contestant c = base("forwarder", "bare forwarder", versions_.sluice, kForwarderPort);
    c.programs = {{stage_.self(), "load", "forwarder", "--listen", at(kForwarderPort), "--cores", core(),
                   "--seconds", "600"}};
    c.load.path = load::UdpPath::pairs;
    voice(c.load, rate);
    return c;
  }

  Contestant transparent(const std::string& mode, const std::string& title, double rate) const {
    Contestant c = base(mode, title, versions_.sluice, kSluicePort);
    c.programs = {relay(mode, {"--server", fmt::format("7={}", kFarSide)})};
    c.load.mode = load::Mode::relay;
    c.load.relay.route_key = stage_.key("route");
    c.load.relay.ice_key = stage_.key("ice");
    c.load.relay.server = "7";
    voice(c.load, rate);
    return c;
  }

  Contestant turn(const std::string& mode, const std::string& title, double rate) const {
    Contestant c = base(mode, title, versions_.sluice, kSluicePort);
    c.programs = {relay(mode, {"--turn-user", kTurnUser, "--turn-allow-peer", "198.19.0.0/16",
                               "--max-allocations", "65536"})};
    turn_load(c.load, rate);
    return c;
  }

  Contestant coturn(double rate) const {
    Contestant c = base("coturn", "coturn -m 1", versions_.coturn, kCoturnPort);
    const std::string program = find_program("turnserver");
    if (program.empty()) c.absent = "turnserver is not installed (Debian's coturn)";
    c.programs = {{program,
                   "-n",
                   "-m",
                   "1",
                   "--listening-ip",
                   kServerAddress,
                   "--relay-ip",
                   kRelayAddress,
                   "--listening-port",
                   std::to_string(kCoturnPort),
                   "--lt-cred-mech",
                   "--user",
                   kTurnUser,
                   "--realm",
                   "bench",
                   "--min-port",
                   "20000",
                   "--max-port",
                   "60000",
                   "--no-tls",
                   "--no-dtls",
                   "--no-tcp",
                   "--no-tcp-relay",
                   "--no-cli",
                   "--no-rfc5780",
                   "--log-file",
                   "/dev/null",
                   "--no-stdout-log",
                   "--pidfile",
                   stage_.file("turnserver.pid"),
                   "--db",
                   stage_.file("turndb")}};
    turn_load(c.load, rate);
    return c;
  }

 private:
  Contestant base(std::string key, std::string title, std::string version, uint16_t port) const {
    Contestant c;
    c.key = std::move(key);
    c.title = std::move(title);
    c.version = std::move(version);
    c.udp_port = port;
    c.load.target = *parse_endpoint(at(port));
    c.load.serve = *parse_endpoint(kFarSide);
    c.load.io = load::Io::frames;
    c.load.veth.via = Stage::kName;
    c.load.cores = {stage_.options().generator_core};
    c.load.setup_rate = 1000;
    return c;
  }

  std::string core() const { return std::to_string(stage_.options().server_core); }
  static std::string at(uint16_t port) { return fmt::format("{}:{}", kServerAddress, port); }

  /// `mode` of relay ports; steered goes with frames, sockets with sockets.
  Words relay(const std::string& mode, const Words& more) const {
    Words w{stage_.self(),
            "run",
            "--role",
            "relay",
            "--listen",
            at(kSluicePort),
            "--http",
            "127.0.0.1:0",
            "--cores",
            core(),
            "--route-key",
            stage_.key("route"),
            "--relay-address",
            kRelayAddress,
            "--relay-ports",
            "20000-60000",
            "--relay-port-mode",
            mode,
            "--transmit",
            mode == "steered" ? "frames" : "sockets"};
    w.insert(w.end(), more.begin(), more.end());
    return w;
  }

  static void voice(load::Options& o, double rate) {
    o.sessions = 1000;
    o.rate = rate;
    o.size = 172;
  }
  static void turn_load(load::Options& o, double rate) {
    o.mode = load::Mode::turn;
    o.turn.user = kTurnUser;
    voice(o, rate);
  }

  const Stage& stage_;
  const Versions& versions_;
};

Comparison cpu(std::string ours, std::string rival, std::optional<Bar> bar) {
  return {std::move(ours), std::move(rival), Measure::packets_per_cpu, bar};
}
Comparison latency(std::string ours, std::string rival, Measure m, std::optional<Bar> bar = {}) {
  return {std::move(ours), std::move(rival), m, bar};
}

std::string load_text(std::string_view what, double rate) {
  return fmt::format("{}, 172 bytes, {:g} packets/s each way: {:.0f} packets/s.", what, rate, 2000 * rate);
}

Plan transparent(const Maker& make, double rate) {
  Plan p{.key = "transparent",
         .title = "Relay, transparent leg",
         .load = load_text("1 000 flows with one server behind", rate),
         .contestants = {make.forwarder(rate), make.transparent("sockets", "Sluice, portable", rate),
                         make.transparent("steered", "Sluice, accelerated", rate)},
         .comparisons = {cpu("sockets", "forwarder", at_least(0.9)),
                         cpu("steered", "forwarder", at_least(1.4))}};
  for (const char* ours : {"sockets", "steered"})
    for (const Measure m : {Measure::p50, Measure::p99})
      p.comparisons.push_back(latency(ours, "forwarder", m));
  return p;
}

Plan turn(const Maker& make, double rate) {
  return {
      .key = "turn",
      .title = "TURN, ChannelData",
      .load = "1 000 allocations with a channel each, 172 bytes, 10 packets/s each way: 20 000 packets/s.",
      .contestants = {make.coturn(rate), make.turn("sockets", "Sluice, portable", rate),
                      make.turn("steered", "Sluice, accelerated", rate)},
      .comparisons = {cpu("sockets", "coturn", at_least(2)), cpu("steered", "coturn", at_least(3)),
                      latency("sockets", "coturn", Measure::p99, at_most(1)),
                      latency("steered", "coturn", Measure::p99, at_most(1)),
                      latency("sockets", "coturn", Measure::p50)}};
}

Plan setups(const Maker& make) {
  Plan p{.key = "setups",
         .title = "TURN, allocations",
         .load = "4 000 allocations with long-term credentials, 1 000 begun per second.",
         .contestants = {make.coturn(1), make.turn("sockets", "Sluice, portable", 1),
                         make.turn("steered", "Sluice, accelerated", 1)},
         .comparisons = {{"sockets", "coturn", Measure::setups_per_cpu, at_least(10)},
                         {"steered", "coturn", Measure::setups_per_cpu, at_least(10)}},
         .setups = true};
  for (Contestant& c : p.contestants) {
    c.load.turn.allocate_only = true;
    c.load.sessions = 4000;
  }
  return p;
}

}  // namespace

std::vector<Plan> plans(const Stage& stage, const Versions& versions, double rate) {
  const Maker make(stage, versions);
  const auto or_else = [rate](double standard) { return rate > 0 ? rate : standard; };
  return {transparent(make, or_else(kRelayRate)), turn(make, or_else(kTurnRate)), setups(make)};
}

std::vector<Named> scenario_names() {
  return {{"transparent", "relay to any server, beside a bare forwarder"},
          {"turn", "TURN ChannelData, beside coturn"},
          {"setups", "TURN allocations, beside coturn"}};
}

}  // namespace sluice::bench
