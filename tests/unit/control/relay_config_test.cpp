// Flags of the relay tier: what each means, and what holds for several together.
#include <fmt/format.h>

#include "tests/support/temp_folder.h"
#include "tests/unit/control/config_text.h"
#include "tools/sluice/commands.h"
#include "tools/sluice/explain.h"
#include "tools/sluice/relay_options.h"

using namespace sluice;
using namespace sluice::test;

namespace {

constexpr const char* kKey = "0123456789abcdef0123456789abcdef\n";

std::string told(const Config& c) { return fmt::format("{}", fmt::join(explain_tiers(c), "\n")); }

}  // namespace

TEST_CASE("nothing given is both roles, and TURN is off") {
  const Config c = good({});
  CHECK(c.role == SLUICE_TIER_BOTH);
  CHECK(c.node == "1");
  CHECK(c.server.empty());
  CHECK_FALSE(c.turn_on());
  CHECK(c.flow_idle_s == 60);
}

TEST_CASE("flags set every option of the relay tier") {
  const Config c = good({{"role", {"both"}},
                         {"server", {"2=192.0.2.2:1", "1.3=[2001:db8::3]:2,trunk"}},
                         {"node", {"0.7"}},
                         {"route-key", {"@r"}},
                         {"ice-key", {"@i"}},
                         {"trunk", {"127.0.0.1:9"}},
                         {"trunk-key", {"@t"}},
                         {"trunk-direct", {"true"}},
                         {"relay-address", {"192.0.2.9", "2001:db8::9"}},
                         {"relay-ports", {"20000-30000"}},
                         {"relay-port-mode", {"sockets"}},
                         {"transmit", {"frames"}},
                         {"max-flows", {"1000000"}},
                         {"max-routes", {"0"}},
                         {"receive", {"frames"}},
                         {"flow-idle", {"30"}},
                         {"turn-user", {"alice:secret", "@users"}},
                         {"turn-secret", {"@s"}},
                         {"realm", {"turn.example"}},
                         {"turn-allow-peer", {"10.0.0.0/8", "::1"}},
                         {"max-allocations", {"100000"}},
                         {"turn-user-quota", {"10"}},
                         {"turn-allocation-kbps", {"64"}},
                         {"turn-tls", {"0.0.0.0:5349"}},
                         {"turn-tls-cert", {"c.pem"}},
                         {"turn-tls-key", {"k.pem"}}});
  CHECK(c.server == std::vector<std::string>{"2=192.0.2.2:1", "1.3=[2001:db8::3]:2,trunk"});
  CHECK(c.node == "7");
  CHECK(c.relay_ports == "20000-30000");
  CHECK(c.relay_port_mode == SLUICE_RELAY_PORTS_SOCKETS);
  CHECK(c.transmit == SLUICE_TRANSMIT_FRAMES);
  CHECK(c.receive == SLUICE_RECEIVE_FRAMES);
  CHECK(c.max_flows == 1'000'000);
  CHECK(c.max_routes == 0);
  CHECK(c.turn_on());
  CHECK(c.turn_allow_peer.size() == 2);
  CHECK(c.turn_allocation_kbps == 64);
}

TEST_CASE("a file sets the relay tier's options too") {
  const Config c =
      good({}, "role = \"relay\"\nserver = [\"7=192.0.2.7:1\", \"8=192.0.2.8:1\"]\nmax-flows = 5\n");
  CHECK(c.role == SLUICE_TIER_RELAY);
  CHECK(c.server.size() == 2);
  CHECK(c.max_flows == 5);
  CHECK(has(wrong({}, "role = \"media\"\nserver = \"7=192.0.2.7:1\"\n"),
            "sluice.toml:2: server: a media tier"));
}

TEST_CASE("a media tier behind a relay names the relay's port, by flag or file") {
  const Config flags = good({{"role", {"media"}}, {"public-address", {"203.0.113.7:443", "2001:db8::7"}}});
  CHECK(flags.public_address == std::vector<std::string>{"203.0.113.7:443", "2001:db8::7"});
  CHECK(has(told(flags), "candidates: 203.0.113.7:443, 2001:db8::7 and nothing else"));
  const Config file = good({}, "role = \"media\"\npublic-address = [\"[2001:db8::7]:443\"]\n");
  CHECK(file.public_address == std::vector<std::string>{"[2001:db8::7]:443"});
  CHECK(make_policy(file).names == std::vector<std::string>{"2001:db8::7"});
  CHECK(has(wrong({{"public-address", {"203.0.113.7:0"}}}), "--public-address: '203.0.113.7:0' is nothing"));
}

TEST_CASE("what a role has no use for is refused with the reason") {
  CHECK(has(wrong({{"role", {"media"}}, {"server", {"2=1.2.3.4:5"}}}), "--server: a media tier"));
  CHECK(has(wrong({{"role", {"media"}}, {"max-flows", {"5"}}}), "--max-flows: a media tier"));
  CHECK(
      has(wrong({{"role", {"media"}}, {"relay-ports", {"2048-4096"}}}), "--relay-ports: nothing is relayed"));
  CHECK(has(wrong({{"role", {"relay"}}, {"route-key", {"@r"}}, {"ice-key", {"@i"}}}), "--ice-key: a relay"));
  good({{"role", {"media"}}, {"turn-user", {"a:b"}}, {"relay-ports", {"2048-4096"}}});
  good({{"role", {"relay"}}, {"server", {"1=1.2.3.4:5"}}});
}

TEST_CASE("keys that belong together are asked for together") {
  CHECK(has(wrong({{"ice-key", {"@i"}}}), "--ice-key: needs --route-key"));
  CHECK(has(wrong({{"trunk", {"127.0.0.1:1"}}}), "--trunk: needs --trunk-key"));
  CHECK(has(wrong({{"server", {"2=1.2.3.4:5,trunk"}}}), "needs --trunk-key"));
  CHECK(has(wrong({{"role", {"media"}}, {"trunk-key", {"@t"}}}), "--trunk-key: needs --trunk"));
  CHECK(has(wrong({{"trunk-direct", {"true"}}}), "--trunk-direct: is for a media tier with --trunk"));
  good({{"role", {"relay"}}, {"server", {"2=1.2.3.4:5,trunk"}}, {"trunk-key", {"@t"}}});
}

TEST_CASE("the trunk and the clients have ports of their own") {
  const RawFlags trunk{{"trunk-key", {"@t"}}, {"trunk", {"127.0.0.1:3478"}}};
  CHECK(wrong(trunk) ==
        "--trunk: 127.0.0.1:3478 is also what listen has ([::]:3478); give trunk or listen another port");
  RawFlags relay{{"role", {"relay"}},
                 {"trunk-key", {"@t"}},
                 {"trunk", {"127.0.0.1:4999"}},
                 {"listen", {"127.0.0.1:5001"}}};
  relay["shards"] = {"2"};
  good(relay);
  relay["shards"] = {"3"};
  CHECK(has(wrong(relay), "--trunk: shard 2's 127.0.0.1:5001 is also what listen has"));
}

TEST_CASE("a server's ID is its own") {
  CHECK(has(wrong({{"server", {"2=1.2.3.4:5", "0.2=1.2.3.4:6"}}}), "ID 2 is given twice"));
  CHECK(has(wrong({{"server", {"1=1.2.3.4:5"}}}), "ID 1 is this process itself"));
  good({{"server", {"1=1.2.3.4:5"}}, {"node", {"9"}}});
}

TEST_CASE("TURN's options want TURN, and TLS wants a certificate") {
  for (const auto& [option, value] : {std::pair{"realm", "x"},
                                      {"turn-allow-peer", "10.0.0.0/8"},
                                      {"turn-user-quota", "1"},
                                      {"turn-tls", "0.0.0.0:5349"}})
    CHECK(has(wrong({{option, {value}}}), "TURN is off; give --turn-user or --turn-secret"));
  const RawFlags turn{{"turn-user", {"a:b"}}};
  RawFlags tls = turn;
  tls["turn-tls"] = {"0.0.0.0:5349"};
  CHECK(has(wrong(tls), "--turn-tls: needs a certificate"));
  tls["turn-tls-cert"] = {"c.pem"};
  CHECK(wrong(tls) == "--turn-tls-cert needs --turn-tls-key; give both or neither");
  tls["turn-tls-key"] = {"k.pem"};
  good(tls);
  RawFlags loose = turn;
  loose["turn-tls-cert"] = {"c.pem"};
  loose["turn-tls-key"] = {"k.pem"};
  // On the port of RFC 8656 then.
  good(loose);
}

TEST_CASE("check shows the roles and no password") {
  const Config c = good({{"turn-user", {"alice:hunter2"}}, {"server", {"2=1.2.3.4:5"}}});
  const std::string values = explain_values(c);
  CHECK(has(values, "alice:***"));
  CHECK_FALSE(has(values, "hunter2"));
  const std::string tiers = told(c);
  CHECK(has(tiers, "to 1 named servers"));
  CHECK(has(tiers, "TURN: on"));
  CHECK(has(tiers, "passwords on the command line"));
  CHECK_FALSE(has(tiers, "hunter2"));
  CHECK(has(told(good({{"role", {"relay"}}})), "none end here"));
  CHECK(has(told(good({{"role", {"media"}}})), "end here, as node 1"));
}

TEST_CASE("key files reach the engine's configuration") {
  const TempFolder folder;
  const Config c =
      good({{"route-key", {folder.file("route", kKey)}},
            {"ice-key", {folder.file("ice", kKey)}},
            {"turn-user", {"alice:one", folder.file("users", fmt::format("bob:{}\ncarol:{}", kKey, kKey))}},
            {"turn-secret", {folder.file("turn", fmt::format("{}\n{}", kKey, kKey))}}});
  const auto secrets = read_relay_secrets(c);
  REQUIRE(secrets.has_value());
  CHECK(secrets->warnings.empty());
  const EngineConfig engine(c, *secrets);
  CHECK(std::string(engine.c.route_key) == kKey);
  CHECK(std::string(engine.c.ice_key) == kKey);
  CHECK(engine.c.trunk_key == nullptr);
  CHECK(std::string(engine.c.turn_secret) == fmt::format("{}\n{}", kKey, kKey));
  REQUIRE(engine.c.turn_user_count == 3);
  CHECK(std::string(engine.c.turn_user[0]) == "alice:one");
  CHECK(std::string(engine.c.turn_user[2]) + "\n" == fmt::format("carol:{}", kKey));
}

TEST_CASE("a key file that cannot be read is named with its option") {
  const TempFolder folder;
  const auto missing = read_relay_secrets(good({{"route-key", {"@/nonexistent/keys"}}}));
  REQUIRE_FALSE(missing.has_value());
  CHECK(has(missing.error(), "--route-key: cannot read /nonexistent/keys"));
  const auto empty = read_relay_secrets(good({{"turn-user", {folder.file("users", "\n")}}}));
  REQUIRE_FALSE(empty.has_value());
  CHECK(has(empty.error(), "--turn-user: "));
  const auto zero =
      read_relay_secrets(good({{"turn-secret", {folder.file("zero", std::string("a\0b", 3))}}}));
  REQUIRE_FALSE(zero.has_value());
  CHECK(has(zero.error(), "zero byte"));
}

TEST_CASE("what TURN cannot use is refused at start with its line, what is weak is warned of") {
  const TempFolder folder;
  const auto read = [&](const char* option, const std::string& text) {
    return read_relay_secrets(good({{option, {folder.file("it", text)}}}));
  };
  const std::string it = folder / "it";
  for (const std::string bad : {"\x01\x02\x7f\xff", "a secret\rof two lines"})
    CHECK(read("turn-secret", bad).error() ==
          fmt::format("--turn-secret: {} line 1 holds bytes that are not printable ASCII; use hex or base64",
                      it));
  CHECK(has(read("turn-secret", "a\nb\nc").error(), it + " holds more than 2 lines; "));
  CHECK(has(read("turn-user", "alice:one\nbob").error(), it + " line 2 is not USER:PASSWORD; "));
  CHECK(has(read("turn-user", "alice:one\x07").error(), it + " line 1 has a password that is not "));

  const auto weak = read("turn-secret", fmt::format("{}hunter2\n", kKey));
  REQUIRE(weak.has_value());
  CHECK(weak->warnings ==
        std::vector{fmt::format("--turn-secret: {} line 2 holds 7 characters, use at least 16, "
                                "e.g. from openssl rand -hex 32",
                                it)});
  const auto users = read("turn-user", fmt::format("alice:{}bob:hunter2\ncarol:x\n", kKey));
  REQUIRE(users.has_value());
  REQUIRE(users->warnings.size() == 1);
  CHECK(has(users->warnings.front(), it + " line 2 holds 7 characters"));
  CHECK_FALSE(has(users->warnings.front(), "hunter2"));
}

TEST_CASE("a secret that everybody may read is warned of") {
  const TempFolder folder;
  const std::string reference = folder.file("route", kKey);
  std::filesystem::permissions(reference.substr(1), std::filesystem::perms(0644));
  const auto secrets = read_relay_secrets(good({{"route-key", {reference}}}));
  REQUIRE(secrets.has_value());
  REQUIRE(secrets->warnings.size() == 1);
  CHECK(has(secrets->warnings.front(), "--route-key: "));
  CHECK_FALSE(has(secrets->warnings.front(), "0123456789abcdef"));
}
