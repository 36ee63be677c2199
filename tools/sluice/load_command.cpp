#include "tools/sluice/load_command.h"

#include <cstdio>

#include <fmt/format.h>

#include "engine/sluice.h"
#include "tools/load/forwarder.h"
#include "tools/load/run.h"
#include "tools/sluice/client.h"

namespace sluice {
namespace {

constexpr const char* kLoadText =
    R"(Open loop: every packet has a time at which it is meant to leave, fixed before the run, and latency counts from
there, so that a stall of the system under test hides nothing. Loss counts what was meant to leave within the
measured seconds and never arrived. If the generator itself was the limit (late packets, busy cores, full buffers)
the result is marked INVALID. Every run ends by itself; Ctrl-C ends it early with what there is.

Modes, each with its own --help:
  relay      WebRTC clients through a relay that routes by ufrag, with media servers of its own behind it
  turn       clients of any TURN server, with peers of its own
  whip       whole WebRTC clients with DTLS and SRTP: publishers with players, or callers of an agent
  udp        plain packets through any UDP forwarder
  flood      first checks with ufrags that nobody minted, which a relay has to drop
  veth       holds a namespace and a veth pair, so that --via writes frames by AF_PACKET and one core outruns
             what it measures
  forwarder  a bare forwarder to compare with

Exit status: 0 measured, whatever the loss; 1 could not; 2 wrong usage; 3 measured, but the result is not valid.)";

constexpr const char* kUdpExamples = R"(Examples:
  sluice load forwarder --listen 127.0.0.1:5000 &
  sluice load udp --to 127.0.0.1:5000 --path pairs --sessions 1000 --seconds 10
      A bare forwarder that sends what comes from port P to port P^1: 1000 calls, 50 packets/s each way.
  sluice load udp --to 127.0.0.1:5000 --serve 127.0.0.1:7000 --sessions 200 --dtx --json result.json
      A forwarder with a table (nginx, socat, kernel DNAT): it sends to the far side at --serve, which answers
      to where packets come from.
  sluice load udp --to 127.0.0.1:5000 --path echo --search --sessions 100 --max-sessions 5000
      The largest number of sessions that an echo server carries with at most 0.1 % loss.)";

constexpr const char* kRelayExamples = R"(Examples:
  sluice load relay --to 127.0.0.1:3478 --route-key @route.txt --ice-key @ice.txt --server 7 --serve 127.0.0.1:7000
      Against sluice run --role relay --route-key @route.txt --server 7=127.0.0.1:7000: 100 sessions with ufrags
      that it mints itself; the media server behind the relay is its own.
  sluice token ufrag --route-key @route.txt --ice-key @ice.txt --server 7 --count 1000 > ufrags.txt
  sluice load relay --to 127.0.0.1:3478 --ufrags ufrags.txt --sessions 1000 --dtx --ramp 5
      The same with ufrags out of a file.
  sluice load relay --to 127.0.0.1:3478 --ufrags ufrags.txt --sessions 100000 --max-sessions 100000 --rate 0.1
      Many flows, few packets.)";

constexpr const char* kTurnExamples = R"(Examples:
  sluice load turn --to 127.0.0.1:3478 --user alice:secret --serve 127.0.0.1:7000 --servers 8 --sessions 500
      Allocations with a channel each, ChannelData both ways, 8 peers. The server has to permit peers on
      loopback: sluice run --turn-allow-peer 127.0.0.0/8, turnserver --allow-loopback-peers.
  sluice load turn --to 127.0.0.1:3478 --secret @turn-secret.txt --allocate-only --sessions 10000 --setup-rate 2000
      The rate of allocations, and 10 000 of them held.)";

constexpr const char* kWhipExamples = R"(Examples:
  sluice load whip --url http://127.0.0.1:8080 --agent echo --sessions 200
      200 calls to the echo agent: each packet comes back, the agent's delay counts as latency.
  sluice load whip --url https://media.example --token @token.txt --players 9 --sessions 100 --seconds 30
      10 rooms load0 to load9, each with a WHIP publisher and 9 WHEP players.
  sluice load whip --url http://media:8080 --agent echo --sessions 200
      The same through a relay: signalling goes to the media tier, media wherever its answers say. With
      sluice run --role media --public-address RELAY:3478 --trunk ... there, they name the relay.
The token is for all rooms (or the agent); without --room-secret the server wants none.)";

constexpr const char* kFloodExamples = R"(Example:
  sluice load flood --to 127.0.0.1:3478 --sessions 1000 --rate 100 --seconds 10
      100 000 forged checks per second from 1000 addresses; what it costs is to be read from the relay's CPU time.)";

constexpr const char* kVethExamples = R"(Example, a server on core 0 and the generator on core 1:
  sluice load veth --name sl --server-cores 0 --cores 1 &
  sluice load forwarder --listen 198.18.0.1:5000 --cores 0 &
  sluice load udp --via sl --to 198.18.0.1:5000 --path pairs --cores 1 --spin --sessions 1000
Clients are 198.18.0.0/16, far sides 198.19.0.1:7000 and the ports behind it, the server has 198.18.0.1 to .4.
Everything is removed at the end, also by Ctrl-C; after a kill -9 the next one of that name removes it.)";

constexpr const char* kForwarderText =
    R"(One thread, one socket, recvmmsg and sendmmsg in batches of 64, no table and no check: the least that a forwarder
in user space does. Without --to it sends what comes from ADDR:PORT to ADDR:(PORT^1).)";

}  // namespace

void LoadCommand::add_to(CLI::App& app, int& status, std::vector<std::string> words) {
  status_ = &status;
  options_.command = std::move(words);
  auto* load = app.add_subcommand("load", "Generate load for Sluice and others, and measure");
  load->require_subcommand(1);
  load->footer(kLoadText);
  add_relay(*load);
  add_turn(*load);
  add_whip(*load);
  add_udp(*load);
  add_flood(*load);
  add_forwarder(*load);
  add_veth(*load);
}

void LoadCommand::add_common(CLI::App& mode) {
  load::Options& o = options_;
  const auto add = [&](const char* flag, auto& value, const char* help, const char* type) {
    return mode.add_option(flag, value, help)->type_name(type)->capture_default_str()->group("Run");
  };
  add("--sessions", o.sessions, "Sessions; where a search begins", "N");
  add("--seconds", o.seconds, "Measured", "S");
  add("--warmup", o.warmup, "Sent before, not measured", "S")->check(CLI::Range(0.0, 3600.0));
  add("--setup-rate", o.setup_rate, "Sessions begun per second", "N");
  add("--setup-clump", o.setup_clump, "Of them, begun at once; the pace stays", "N");
  add("--ramp", o.ramp, "Begin them evenly over so long instead; 0: --setup-rate", "S");
  add("--cores", cores_, "Cores, one thread pinned to each, e.g. 1 or 2-3; none: one thread, not pinned",
      "LIST");
  add("--io", io_, "frames: AF_PACKET, with --veth or --via", "auto|sockets|frames")
      ->check(CLI::IsMember({"auto", "sockets", "frames"}));
  mode.add_flag("--veth", o.veth.make, "Root: a namespace and a veth pair for this run, frames by AF_PACKET")
      ->group("Run");
  add("--via", o.veth.via, "The pair that sluice load veth --name NAME holds", "NAME");
  add("--server-cores", server_cores_, "With --veth: cores that do the receive work of the server's end",
      "LIST");
  add("--max-lag", o.max_lag_ms, "Invalid if 1 % of the packets leave later than so many milliseconds", "MS");
  add("--quantum", quantum_us_, "Packets due within so many microseconds leave together; 0: each at its time",
      "US")
      ->check(CLI::Range(0.0, 10'000.0));
  mode.add_flag("--spin", o.spin, "Never sleep: exact to microseconds, a whole core")->group("Run");
  add("--json", o.json, "Write the result there; tools/load/README.md describes it", "FILE");
  mode.add_flag("--quiet", o.quiet, "No live lines")->group("Run");
}

void LoadCommand::add_flow(CLI::App& mode) {
  load::Options& o = options_;
  const auto add = [&](const char* flag, auto& value, const char* help, const char* type) {
    return mode.add_option(flag, value, help)->type_name(type)->capture_default_str()->group("Media");
  };
  add("--rate", o.rate, "Packets per second, session and direction", "N");
  auto* size = add("--size", o.size, "Bytes of UDP payload", "BYTES");
  mode.add_flag("--dtx", o.dtx, "Opus sizes with pauses instead (talk 1.0 s, pause 1.6 s in the mean)")
      ->group("Media")
      ->excludes(size);
  add("--direction", direction_, "Who sends: up is from the client", "both|up|down")
      ->check(CLI::IsMember({"both", "up", "down"}));
  mode.add_flag("--search", o.search, "Find the most sessions with at most --max-loss")->group("Search");
  const auto search = [&](const char* flag, auto& value, const char* help, const char* type) {
    mode.add_option(flag, value, help)->type_name(type)->capture_default_str()->group("Search");
  };
  search("--max-sessions", o.max_sessions, "Never tries more", "N");
  search("--max-loss", o.max_loss, "Percent of the packets", "PERCENT");
  search("--trial-seconds", o.trial_seconds, "Measured in each trial", "S");
}

void LoadCommand::add_far_side(CLI::App& mode) {
  mode.add_option("--serve", serve_,
                  "Address of the first far side of our own; others take the ports behind it")
      ->type_name("ADDR:PORT")
      ->capture_default_str()
      ->group("Far side");
  mode.add_option("--servers", options_.servers, "Far sides of our own, per core")
      ->type_name("N")
      ->capture_default_str()
      ->group("Far side");
}

void LoadCommand::add_udp(CLI::App& load) {
  auto* mode = load.add_subcommand("udp", "Plain packets through any UDP forwarder");
  mode->add_option("--to", target_, "The forwarder")->type_name("ADDR:PORT")->required();
  mode->add_option("--path", path_,
                   "Where it sends what clients send: to --serve, to the port beside, or back")
      ->type_name("sink|pairs|echo")
      ->check(CLI::IsMember({"sink", "pairs", "echo"}))
      ->capture_default_str();
  add_far_side(*mode);
  add_flow(*mode);
  add_common(*mode);
  mode->footer(kUdpExamples);
  mode->callback([this] { *status_ = run(load::Mode::udp); });
}

void LoadCommand::add_flood(CLI::App& load) {
  auto* mode = load.add_subcommand("flood", "Forged first checks, for a relay to drop");
  mode->add_option("--to", target_, "The relay")->type_name("ADDR:PORT")->required();
  add_flow(*mode);
  add_common(*mode);
  mode->footer(kFloodExamples);
  mode->callback([this] { *status_ = run(load::Mode::flood); });
}

void LoadCommand::add_relay(CLI::App& load) {
  load::RelayOptions& o = options_.relay;
  auto* mode = load.add_subcommand("relay", "WebRTC clients through a relay that routes by ufrag");
  mode->add_option("--to", target_, "The relay")->type_name("ADDR:PORT")->required();
  auto* file =
      mode->add_option("--ufrags", o.ufrags, "Lines of `ufrag password`, as sluice token ufrag prints them");
  file->type_name("FILE");
  for (auto* minting :
       {mode->add_option("--route-key", o.route_key, "File with the route key, to mint ufrags")
            ->type_name("@FILE"),
        mode->add_option("--ice-key", o.ice_key, "File with the ICE key")->type_name("@FILE"),
        mode->add_option("--server", o.server, "The server they lead to")->type_name("[REGION.]NODE")})
    minting->excludes(file);
  mode->add_option("--trunk-key", o.trunk_key,
                   "File with the trunk's key: the far sides take the trunk; --server is the first one's ID")
      ->type_name("@FILE")
      ->excludes(file);
  mode->add_option("--consent", consent_, "Seconds between two checks of a session")
      ->type_name("S")
      ->check(CLI::Range(0.1, 25.0))
      ->capture_default_str();
  add_far_side(*mode);
  add_flow(*mode);
  add_common(*mode);
  mode->footer(kRelayExamples);
  mode->callback([this] { *status_ = run(load::Mode::relay); });
}

void LoadCommand::add_turn(CLI::App& load) {
  load::TurnOptions& o = options_.turn;
  auto* mode = load.add_subcommand("turn", "Clients of any TURN server (RFC 5766, RFC 8656), over UDP");
  mode->add_option("--to", target_, "The TURN server")->type_name("ADDR:PORT")->required();
  auto* user = mode->add_option("--user", o.user, "Long-term credentials")->type_name("NAME:PASSWORD|@FILE");
  mode->add_option("--secret", o.secret, "File with the secret of time-limited credentials")
      ->type_name("@FILE")
      ->excludes(user);
  mode->add_flag("--allocate-only", o.allocate_only, "No media: make and hold allocations");
  mode->add_flag("--indications", o.indications, "Send and Data instead of a channel");
  mode->add_option("--lifetime", o.lifetime, "Asked for")
      ->type_name("S")
      ->check(CLI::Range(10u, 3600u))
      ->capture_default_str();
  add_far_side(*mode);
  add_flow(*mode);
  add_common(*mode);
  mode->footer(kTurnExamples);
  mode->callback([this] { *status_ = run(load::Mode::turn); });
}

void LoadCommand::add_forwarder(CLI::App& load) {
  auto* mode = load.add_subcommand("forwarder", "A bare UDP forwarder to compare with");
  mode->add_option("--listen", forward_listen_, "Where it listens")
      ->type_name("ADDR:PORT")
      ->capture_default_str();
  mode->add_option("--to", forward_to_, "Send everything there")->type_name("ADDR:PORT");
  mode->add_flag("--discard", forward_discard_, "Send nothing: a bare receiver");
  mode->add_option("--seconds", forward_seconds_, "Ends by itself")->type_name("S")->capture_default_str();
  mode->add_option("--cores", cores_, "Pin it to this core")->type_name("CORE");
  mode->footer(kForwarderText);
  mode->callback([this] {
    *status_ =
        load::run_forwarder({forward_listen_, forward_to_, forward_discard_, cores_, forward_seconds_});
  });
}

void LoadCommand::add_whip(CLI::App& load) {
  load::WhipOptions& o = options_.whip;
  auto* mode = load.add_subcommand("whip", "Whole WebRTC clients: WHIP, WHEP or agents");
  const auto add = [&](const char* flag, auto& value, const char* help, const char* type) {
    return mode->add_option(flag, value, help)->type_name(type)->capture_default_str();
  };
  add("--url", o.url, "Of the server", "URL");
  auto* room = add("--room", o.room, "Rooms are named so, with a number behind", "NAME");
  auto* players = add("--players", o.players, "WHEP players of each publisher", "N");
  add("--agent", o.agent, "Talk to this agent instead", "NAME")->excludes(room)->excludes(players);
  add("--token", o.token, "File with a bearer token", "@FILE");
  mode->add_flag("--insecure", o.insecure, "Do not check an HTTPS certificate");
  add_flow(*mode);
  add_common(*mode);
  mode->footer(kWhipExamples);
  mode->callback([this] { *status_ = run(load::Mode::whip); });
}

void LoadCommand::add_veth(CLI::App& load) {
  auto* mode = load.add_subcommand("veth", "Hold a namespace and a veth pair for other runs (root)");
  mode->add_option("--name", veth_.name, "Of the namespace")->type_name("NAME")->capture_default_str();
  mode->add_option("--cores", cores_, "Cores of the generator: its end's receive work is done there")
      ->type_name("LIST");
  mode->add_option("--server-cores", server_cores_, "Cores of the server, likewise")->type_name("LIST");
  mode->add_option("--seconds", veth_.seconds, "Ends by itself")->type_name("S")->capture_default_str();
  mode->footer(kVethExamples);
  mode->callback([this] {
    if (const std::string bad = parse(); !bad.empty()) {
      fmt::print(stderr, "sluice load veth: {}\n", bad);
      *status_ = 2;
      return;
    }
    veth_.our_cores = options_.cores;
    veth_.server_cores = options_.veth.server_cores;
    *status_ = load::run_veth(veth_);
  });
}

/// Texts to values; what is wrong with them, or nothing.
std::string LoadCommand::parse() {
  const auto endpoint = [](std::string_view flag, const std::string& text, Endpoint& out) -> std::string {
    const auto e = parse_endpoint(text.starts_with("localhost:") ? "127.0.0.1" + text.substr(9) : text);
    if (!e)
      return fmt::format("{}: '{}' is not ADDR:PORT; write e.g. 127.0.0.1:3478 or [::1]:3478", flag, text);
    out = *e;
    return {};
  };
  load::Options& o = options_;
  if (!target_.empty())
    if (auto bad = endpoint("--to", target_, o.target); !bad.empty()) return bad;
  if (auto bad = endpoint("--serve", serve_, o.serve); !bad.empty()) return bad;
  if (!cores_.empty()) {
    auto cores = load::parse_cores(cores_);
    if (!cores) return cores.error();
    o.cores = std::move(*cores);
  }
  const auto url = parse_url(o.whip.url);
  if (!url) return fmt::format("--url: {}", url.error());
  o.whip.tls = url->tls;
  o.whip.host = url->host;
  o.whip.port = url->port;
  if (!server_cores_.empty()) {
    auto cores = load::parse_cores(server_cores_);
    if (!cores) return "--server-cores: write e.g. 0 or 0,2-3";
    o.veth.server_cores = std::move(*cores);
  }
  o.io = io_ == "sockets" ? load::Io::sockets : io_ == "frames" ? load::Io::frames : load::Io::automatic;
  o.quantum = static_cast<load::Nanos>(quantum_us_ * 1e3);
  o.relay.consent = static_cast<load::Nanos>(consent_ * 1e9);
  o.up = direction_ != "down";
  o.down = direction_ != "up";
  o.path = path_ == "pairs"  ? load::UdpPath::pairs
           : path_ == "echo" ? load::UdpPath::echo
                             : load::UdpPath::sink;
  return {};
}

int LoadCommand::run(load::Mode mode) {
  options_.mode = mode;
  if (const std::string bad = parse(); !bad.empty()) {
    fmt::print(stderr, "sluice load {}: {}\n", load::name(mode), bad);
    return 2;
  }
  return load::run(options_, sluice_version());
}

}  // namespace sluice
