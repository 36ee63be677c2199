#include <cstdio>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "engine/relay/keys.h"
#include "tools/sluice/bench_command.h"
#include "tools/sluice/commands.h"
#include "tools/sluice/load_command.h"
#include "tools/sluice/top_table.h"

namespace {

using sluice::Option;
using sluice::RawFlags;

constexpr const char* kRunExamples = R"(Examples:
  sluice run
      The console on http://127.0.0.1:8080, media on UDP port 3478, for this machine only.
  sluice run --http 0.0.0.0:8443 --http-cert cert.pem --http-key key.pem --http-name media.example \
             --admin-token @admin.txt --room-secret @rooms.txt --public-address 203.0.113.7
      A server for others: HTTPS, so that browsers give their microphone; /v1 for whoever has the admin
      token; rooms for whoever has a room token (sluice token room).
  sluice run --turn-secret @turn.txt
      Both roles in one process, the default: calls end here, clients may come by TURN on the same port, and
      PUT /v1/routes brings those of other WebRTC servers.
  openssl rand -hex 32 > route.txt; openssl rand -hex 32 > ice.txt; openssl rand -hex 32 > trunk.txt
  sluice run --role media --node 7 --trunk 10.0.0.7:3479 --trunk-key @trunk.txt \
             --route-key @route.txt --ice-key @ice.txt --public-address 203.0.113.7
      A media server behind relays: clients are told the relay's address, and come by the trunk.
  sluice run --role relay --server 7=10.0.0.7:3479,trunk --trunk-key @trunk.txt --route-key @route.txt
      A relay at the edge: it holds no ICE key, ends no call and decrypts nothing. Without ,trunk a server may
      be any WebRTC server, which sees each client as a port of the relay.
  sluice run --config sluice.toml --shards 2
      The file has the same names: http = "127.0.0.1:8080", listen = ["0.0.0.0:3478"]. Flags win over it.

Prints one line `ready http=ADDR:PORT udp=ADDR:PORT[,...]` on stdout when it serves; the log is on stderr.
SIGTERM or Ctrl-C: no new sessions, present ones may go on for --drain-seconds; a second one ends it at once.
Exit status: 0 drained, 1 could not start, 2 wrong flag, key or value.)";

constexpr const char* kTokenExamples = R"(Examples:
  openssl rand -hex 32 > rooms.txt && chmod 600 rooms.txt
  sluice token room --room-secret @rooms.txt --room stage --allow publish --takeover --ttl 3600
  sluice token room --room-secret @rooms.txt --room echo --allow agent --ttl 60
The client sends it as `Authorization: Bearer TOKEN`.)";

constexpr const char* kUfragExamples = R"(Example:
  sluice token ufrag --route-key @route.txt --ice-key @ice.txt --server 7 --count 3
Each line is a ufrag that every relay with this route key sends to server 7, and the password that a media tier
with this ICE key expects with it; without --ice-key the ufrag alone.)";

constexpr const char* kTurnExamples = R"(Example:
  sluice token turn --turn-secret @turn.txt --user alice --ttl 3600
The first line is the username, the second the password, as POST /v1/turn/credentials would give them.)";

/// One subcommand's flags as they were typed; load_config() says what they mean.
struct Typed {
  std::map<std::string, std::vector<std::string>, std::less<>> values;
  std::map<std::string, bool, std::less<>> toggles;
  std::string config;
};

void add_options(CLI::App& app, Typed& typed) {
  app.add_option("--config", typed.config, "TOML file with keys of the same names")
      ->type_name("FILE")
      ->group("Process");
  for (const Option& o : sluice::options()) {
    const std::string flag = fmt::format("--{}", o.name);
    const std::string help = fmt::format("{} [{}]", o.help, o.standard);
    CLI::Option* added = nullptr;
    if (o.kind == sluice::Kind::toggle)
      added = app.add_flag(flag, typed.toggles[std::string(o.name)], help)->disable_flag_override();
    else
      added = app.add_option(flag, typed.values[std::string(o.name)], help)
                  ->type_name(std::string(o.metavar))
                  ->allow_extra_args(false);
    // How often it may be given is load_config()'s affair, which says so in better words.
    if (!o.many && o.kind != sluice::Kind::toggle)
      added->expected(1)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    added->group(std::string(o.group));
  }
}

RawFlags raw_flags(const Typed& typed) {
  RawFlags out;
  for (const auto& [name, values] : typed.values)
    if (!values.empty()) out[name] = values;
  for (const auto& [name, on] : typed.toggles)
    if (on) out[name] = {"true"};
  return out;
}

int with_config(const Typed& typed, int (*command)(const sluice::Config&)) {
  const auto config = sluice::load_config(raw_flags(typed), typed.config);
  if (config) return command(*config);
  fmt::print(stderr, "sluice: {}\n", config.error().text);
  return 2;
}

void add_client(CLI::App& app, sluice::ClientOptions& client) {
  app.add_option("--http", client.url, "Address of the daemon")->type_name("URL")->capture_default_str();
  app.add_option("--admin-token", client.admin_token, "File with the admin token")->type_name("@FILE");
  app.add_flag("--insecure", client.insecure, "Do not check an HTTPS certificate");
}

/// CLI11's words for a mistyped flag, with the flag that was probably meant.
std::string explain(const CLI::App& app, const CLI::ParseError& error) {
  const CLI::App* at = &app;
  std::string path = "sluice";
  while (!at->get_subcommands().empty()) {
    at = at->get_subcommands().front();
    path += " " + at->get_name();
  }
  const auto extras = at->remaining();
  if (extras.empty()) return fmt::format("{}: {}; see {} --help", path, error.what(), path);
  const std::string typed = extras.front().substr(0, extras.front().find('='));
  const bool flag = typed.starts_with('-');
  std::vector<std::string> names;
  if (flag)
    for (const CLI::Option* o : at->get_options())
      for (const auto& name : o->get_lnames()) names.push_back(name);
  else
    for (const CLI::App* sub : at->get_subcommands([](const CLI::App*) { return true; }))
      names.push_back(sub->get_name());
  const std::string bare = typed.substr(std::min(typed.find_first_not_of('-'), typed.size()));
  const std::string_view near =
      sluice::closest(bare, std::vector<std::string_view>(names.begin(), names.end()));
  const std::string what = flag ? "flag" : names.empty() ? "argument" : "command";
  if (near.empty()) return fmt::format("{}: unknown {} {}; see {} --help", path, what, typed, path);
  return fmt::format("{}: unknown {} {}; did you mean {}{}?", path, what, typed, flag ? "--" : "", near);
}

struct Cli {
  CLI::App app{"Sluice, a media engine for voice AI: WebRTC in, WebRTC out", "sluice"};
  Typed run_typed, check_typed;
  sluice::TokenRequest token;
  sluice::UfragRequest ufrag;
  sluice::TurnRequest turn;
  sluice::TopOptions top;
  sluice::DrainOptions drain;
  sluice::LoadCommand load;
  sluice::BenchCommand bench;
  int status = 0;

  explicit Cli(std::vector<std::string> words) {
    app.require_subcommand(1);
    app.set_version_flag("--version", sluice_version());
    add_daemon();
    add_token();
    add_clients();
    load.add_to(app, status, std::move(words));
    bench.add_to(app, status);
    app.add_subcommand("version", "Print the version")->callback([] {
      fmt::print("sluice {}\n", sluice_version());
    });
  }

  void add_daemon() {
    auto* run = app.add_subcommand("run", "Serve calls until told to stop");
    add_options(*run, run_typed);
    run->footer(kRunExamples);
    run->callback([this] { status = with_config(run_typed, sluice::run_daemon); });
    auto* check = app.add_subcommand("check", "Explain what run would do with the same flags and file");
    add_options(*check, check_typed);
    check->callback([this] { status = with_config(check_typed, sluice::check); });
  }

  void add_token() {
    auto* group = app.add_subcommand("token", "Make tokens");
    group->require_subcommand(1);
    auto* room = group->add_subcommand("room", "Print a token for one room or agent");
    room->add_option("--room-secret", token.room_secret, "File with the secret that the daemon was given")
        ->type_name("@FILE")
        ->required();
    room->add_option("--room", token.room, "Room, or the agent's name")->type_name("NAME")->required();
    room->add_option("--allow", token.allow, "What for; repeatable")
        ->type_name("publish|play|agent")
        ->check(CLI::IsMember({"publish", "play", "agent"}))
        ->allow_extra_args(false)
        ->required();
    room->add_flag("--takeover", token.takeover, "May replace the room's publisher");
    room->add_option("--ttl", token.ttl_s, "Seconds until it expires")
        ->type_name("SECONDS")
        ->check(CLI::Range(int64_t{1}, int64_t{31'536'000}))
        ->required();
    room->footer(kTokenExamples);
    room->callback([this] { status = sluice::make_token(token); });
    add_ufrag(*group);
    add_turn(*group);
  }

  void add_ufrag(CLI::App& group) {
    auto* sub = group.add_subcommand("ufrag", "Print ICE credentials that lead through a relay to a server");
    sub->add_option("--route-key", ufrag.route_key, "File with the route keys; the first line mints")
        ->type_name("@FILE")
        ->required();
    sub->add_option("--ice-key", ufrag.ice_key, "File with the ICE keys, for passwords too")
        ->type_name("@FILE");
    sub->add_option("--server", ufrag.server, "The server: NODE or REGION.NODE")->type_name("ID")->required();
    sub->add_option("--count", ufrag.count, "How many lines")
        ->check(CLI::Range(1u, 10'000'000u))
        ->capture_default_str();
    sub->add_option("--ttl", ufrag.ttl_s, "Seconds that each is good for, at least")
        ->type_name("SECONDS")
        ->check(CLI::Range(1u, unsigned{sluice::engine::relay::kUfragTtlMax}))
        ->capture_default_str();
    sub->footer(kUfragExamples);
    sub->callback([this] { status = sluice::make_ufrags(ufrag); });
  }

  void add_turn(CLI::App& group) {
    auto* sub = group.add_subcommand("turn", "Print time-limited TURN credentials");
    sub->add_option("--turn-secret", turn.turn_secret, "File with the secret that the daemon was given")
        ->type_name("@FILE")
        ->required();
    sub->add_option("--user", turn.user, "Whom they are for")->type_name("NAME")->required();
    sub->add_option("--ttl", turn.ttl_s, "Seconds until they expire")
        ->type_name("SECONDS")
        ->check(CLI::Range(1u, 31'536'000u))
        ->capture_default_str();
    sub->footer(kTurnExamples);
    sub->callback([this] { status = sluice::make_turn_login(turn); });
  }

  void add_clients() {
    auto* live = app.add_subcommand(
        "top", "Live table of sessions, servers, TURN allocations and shards; keys: q quit, s sort");
    add_client(*live, top.client);
    live->add_flag("--once", top.once, "Print one table and exit");
    live->add_option("--sort", top.sort, "Column to sort by")
        ->check(CLI::IsMember(
            std::vector<std::string>(std::begin(sluice::kSortKeys), std::end(sluice::kSortKeys))))
        ->capture_default_str();
    live->add_option("--interval", top.interval_ms, "Milliseconds between rounds")
        ->check(CLI::Range(100u, 60'000u))
        ->capture_default_str();
    live->callback([this] { status = sluice::top(top); });
    auto* end = app.add_subcommand("drain", "Tell a daemon to take no new sessions and to end");
    add_client(*end, drain.client);
    end->add_flag("--wait", drain.wait, "Return when it is gone");
    end->callback([this] { status = sluice::drain(drain); });
  }
};

}  // namespace

int main(int argc, char** argv) try {
  Cli cli({argv, argv + argc});
  try {
    cli.app.parse(argc, argv);
  } catch (const CLI::Success& e) {
    return cli.app.exit(e);
  } catch (const CLI::ParseError& e) {
    fmt::print(stderr, "{}\n", explain(cli.app, e));
    return 2;
  }
  return cli.status;
} catch (const std::exception& e) {
  fmt::print(stderr, "sluice: {}\n", e.what());
  return 1;
}
