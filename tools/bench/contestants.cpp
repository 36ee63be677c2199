#include "tools/bench/contestants.h"

#include <fmt/format.h>

namespace sluice::bench {
namespace {

constexpr uint16_t kForwarderPort = 5000, kSluicePort = 3478, kCoturnPort = 3479, kTrunkPort = 3480,
                   kHttpPort = 18080;
constexpr const char* kServerAddress = "198.18.0.1";
constexpr const char* kRelayAddress = "198.18.0.2";
constexpr const char* kSecondRelayAddress = "198.18.0.3";
/// All that nobody here listens on.
constexpr const char* kManyRelayPorts = "6000-65535";
constexpr const char* kFarSide = "198.19.0.1:7000";
constexpr const char* kTurnUser = "bench:bench";
/// What `sluice run` prints when it serves.
constexpr const char* kReady = "ready ";
/// The one of the first far side; the others have those behind it.
constexpr uint32_t kNode = 7, kFarPort = 7000;

std::string at(uint16_t port) { return fmt::format("{}:{}", kServerAddress, port); }

void voice(load::Options& o, double rate) {
  o.sessions = 1000;
  o.rate = rate;
  o.size = 172;
}
void turn_load(load::Options& o, double rate) {
  o.mode = load::Mode::turn;
  o.turn.user = kTurnUser;
  voice(o, rate);
}
void loopback(load::Options& o) {
  o.io = load::Io::sockets;
  o.veth.via.clear();
}

load::Options flood(const load::Options& voice, double per_second) {
  load::Options o = voice;
  o.mode = load::Mode::flood;
  o.plan = 1;
  o.sessions = 1000;
  o.rate = per_second / o.sessions;
  o.down = false;
  o.setup_rate = 1e5;
  return o;
}

}  // namespace

Contestant Contestants::base(std::string key, std::string title, std::string version, uint16_t port) const {
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

Contestant Contestants::forwarder(double rate) const {
  Contestant c = base("forwarder", "bare forwarder", versions_.sluice, kForwarderPort);
  c.programs = {{stage_.self(), "load", "forwarder", "--listen", at(kForwarderPort), "--cores", core(),
                 "--seconds", "600"}};
  c.load.path = load::UdpPath::pairs;
  voice(c.load, rate);
  return c;
}

Contestant Contestants::receiver() const {
  Contestant c = forwarder(1);
  c.key = "receiver";
  c.title = "bare receiver";
  c.programs.front().push_back("--discard");
  return c;
}

Contestant Contestants::transparent(const std::string& mode, const std::string& title, double rate) const {
  Contestant c = base(mode, title, versions_.sluice, kSluicePort);
  c.programs = {relay(mode, {"--server", fmt::format("{}={}", kNode, kFarSide)})};
  c.ready = kReady;
  c.load.mode = load::Mode::relay;
  c.load.relay.route_key = stage_.key("route");
  c.load.relay.ice_key = stage_.key("ice");
  c.load.relay.server = std::to_string(kNode);
  voice(c.load, rate);
  return c;
}

Contestant Contestants::turn(const std::string& mode, const std::string& title, double rate) const {
  Contestant c = base(mode, title, versions_.sluice, kSluicePort);
  Words more{"--turn-user", kTurnUser, "--turn-allow-peer", "198.19.0.0/16", "--max-allocations", "65536"};
  if (mode == "steered") more.push_back("--prefault");
  c.programs = {relay(mode, more)};
  c.ready = kReady;
  turn_load(c.load, rate);
  return c;
}

Contestant Contestants::coturn(double rate) const {
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

Contestants::Words Contestants::relay(const std::string& mode, const Words& more, const char* ports) const {
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
          ports,
          "--relay-port-mode",
          mode == "sockets" ? "sockets" : "steered",
          "--transmit",
          mode == "steered" ? "frames" : "sockets",
          "--receive",
          mode == "steered" ? "frames" : "sockets"};
  w.insert(w.end(), more.begin(), more.end());
  return w;
}

Contestant Contestants::trunk(const std::string& mode, const std::string& title, uint32_t servers) const {
  Contestant c = transparent(mode, title, 1);
  c.key = fmt::format("{}-{}", mode, servers);
  Words more{"--trunk", at(kTrunkPort), "--trunk-key", stage_.key("trunk")};
  for (uint32_t i = 0; i < servers; ++i) {
    more.push_back("--server");
    more.push_back(fmt::format("{}=198.19.0.1:{},trunk", kNode + i, kFarPort + i));
  }
  c.programs = {relay(mode, more)};
  c.load.relay.trunk_key = stage_.key("trunk");
  c.load.servers = servers;
  return c;
}

Contestant Contestants::held() const {
  Contestant c = base("held", "Sluice, two relay addresses", versions_.sluice, kSluicePort);
  c.programs = {relay("steered",
                      {"--relay-address", kSecondRelayAddress, "--turn-user", kTurnUser, "--max-allocations",
                       std::to_string(kHeld)},
                      kManyRelayPorts)};
  c.ready = kReady;
  c.reservation = {"allocations per shard of", 1};
  turn_load(c.load, 1);
  c.load.sessions = kHeld;
  return c;
}

Contestant Contestants::held_by_coturn() const {
  Contestant c = coturn(1);
  c.load.sessions = kHeldByCoturn;
  return c;
}

Contestant Contestants::crowd(const std::string& mode, const std::string& title, uint32_t flows,
                              double rate) const {
  Contestant c = trunk(mode, title, 1);
  c.key = fmt::format("{}-{}", mode, flows);
  // Nobody is silent for longer than a round of all takes.
  for (const std::string& word : {std::string("--max-flows"), std::to_string(kMillion / 2),
                                  std::string("--flow-idle"), std::string("600")})
    c.programs.front().push_back(word);
  c.reservation = {"flow table", kMillion};
  c.load.sessions = flows;
  c.load.setup_rate = 20'000;
  c.load.rate = rate / flows;
  c.load.quantum = static_cast<load::Nanos>(64e9 / rate);
  // The packets are to be counted, not checks that a million clients would send beside them.
  c.load.relay.consent = 3600 * load::kSecond;
  return c;
}

Contestant Contestants::one_way(Contestant c, double rate, bool up) {
  c.load.rate = rate;
  (up ? c.load.down : c.load.up) = false;
  c.load.quantum = static_cast<load::Nanos>(64e9 / (rate * c.load.sessions));
  return c;
}

Contestant Contestants::rooms(double rate) const {
  Contestant c = base("forward", "Sluice, SRTP in and out", versions_.sluice, kSluicePort);
  c.programs = {{stage_.self(), "run", "--role", "media", "--listen",
                 fmt::format("127.0.0.1:{}", kSluicePort), "--http", fmt::format("127.0.0.1:{}", kHttpPort),
                 "--cores", core()}};
  c.ready = kReady;
  voice(c.load, rate);
  c.load.mode = load::Mode::whip;
  c.load.whip.port = std::to_string(kHttpPort);
  c.load.sessions = 2 * kRooms;
  c.load.setup_rate = 100;
  loopback(c.load);
  return c;
}

Contestant Contestants::forwarder_on_loopback(double rate) const {
  Contestant c = forwarder(rate);
  const std::string listen = fmt::format("127.0.0.1:{}", kForwarderPort);
  c.programs = {
      {stage_.self(), "load", "forwarder", "--listen", listen, "--cores", core(), "--seconds", "600"}};
  c.load.target = *parse_endpoint(listen);
  c.load.serve = *parse_endpoint("127.0.0.1:7000");
  c.load.down = false;
  c.load.sessions = kRooms;
  loopback(c.load);
  return c;
}

Contestant Contestants::flooded(Contestant c, double per_second) {
  c.load = flood(c.load, per_second);
  return c;
}

Contestant Contestants::besieged(double rate) const {
  Contestant c = transparent("sockets", "Sluice, calls in the flood", rate);
  c.key = "calls";
  c.load.sessions = 200;
  c.flood = flood(c.load, 1);
  c.half_of = "receiver";
  return c;
}

}  // namespace sluice::bench
