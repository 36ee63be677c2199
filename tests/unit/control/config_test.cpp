#include "tools/sluice/config.h"

#include <set>

#include "tests/unit/control/config_text.h"
#include "tools/sluice/explain.h"

using namespace sluice;
using namespace sluice::test;

namespace {

std::string text(const Endpoint& e) {
  EndpointText t;
  return std::string(format(e, t));
}

}  // namespace

TEST_CASE("nothing given means the documented defaults") {
  const Config c = good({});
  CHECK(text(c.http) == "127.0.0.1:8080");
  CHECK(c.listen.empty());
  CHECK(c.io == SLUICE_IO_AUTO);
  CHECK(c.max_sessions == 4096);
  CHECK(c.echo_delay_ms == 500);
  CHECK(make_policy(c).loopback_only);
}

TEST_CASE("flags set every option") {
  const Config c = good({{"http", {"[::]:9000"}},
                         {"http-cert", {"c.pem"}},
                         {"http-key", {"k.pem"}},
                         {"http-origin", {"https://App.example/", "http://b.example:80"}},
                         {"http-name", {"Media.Example"}},
                         {"listen", {"0.0.0.0:1", "[::1]:0"}},
                         {"public-address", {"203.0.113.7", "[2001:db8::7]:443"}},
                         {"cores", {"0,2-3"}},
                         {"io", {"mmsg"}},
                         {"srtp", {"ipsec-mb"}},
                         {"admin-token", {"@a"}},
                         {"room-secret", {"@r"}},
                         {"busy-poll", {"true"}},
                         {"prefault", {"true"}},
                         {"echo-delay", {"0"}},
                         {"max-sessions", {"65536"}},
                         {"drain-seconds", {"0"}},
                         {"log-level", {"debug"}},
                         {"log-addresses", {"true"}}});
  CHECK(text(c.http) == "[::]:9000");
  CHECK(c.http_origin == std::vector<std::string>{"https://app.example", "http://b.example"});
  CHECK(c.http_name == std::vector<std::string>{"media.example"});
  CHECK(c.listen == std::vector<std::string>{"0.0.0.0:1", "[::1]:0"});
  CHECK(c.cores == "0,2-3");
  CHECK(c.io == SLUICE_IO_MMSG);
  CHECK(c.srtp == SLUICE_SRTP_IPSEC_MB);
  CHECK(c.busy_poll);
  CHECK(c.prefault);
  CHECK(c.echo_delay_ms == 0);
  CHECK(c.log_level == control::Level::debug);
  const auto policy = make_policy(c);
  CHECK_FALSE(policy.loopback_only);
  CHECK(policy.names == std::vector<std::string>{"media.example", "203.0.113.7", "2001:db8::7"});
}

TEST_CASE("a file has keys of the same names, and flags win over it") {
  const char* toml = R"(
http = "127.0.0.1:1"
listen = ["0.0.0.0:5"]
http-origin = "https://one.example"
busy-poll = true
max-sessions = 7
)";
  const Config file = good({}, toml);
  CHECK(text(file.http) == "127.0.0.1:1");
  CHECK(file.listen == std::vector<std::string>{"0.0.0.0:5"});
  CHECK(file.http_origin == std::vector<std::string>{"https://one.example"});
  CHECK(file.busy_poll);
  CHECK(file.max_sessions == 7);
  CHECK(file.source.at("listen") == "sluice.toml:3: listen");
  const Config both = good({{"listen", {"0.0.0.0:6"}}, {"max-sessions", {"8"}}}, toml);
  CHECK(both.listen == std::vector<std::string>{"0.0.0.0:6"});
  CHECK(both.max_sessions == 8);
  CHECK(both.source.at("max-sessions") == "--max-sessions");
}

TEST_CASE("localhost is an address, other names are not") {
  CHECK(text(good({{"http", {"localhost:80"}}}).http) == "127.0.0.1:80");
  CHECK(has(wrong({{"http", {"media.example:80"}}}), "--http: 'media.example:80' is not ADDR:PORT"));
}

TEST_CASE("every wrong value is named with its option and what would be right") {
  const std::pair<const char*, const char*> cases[] = {{"http", "8080"},
                                                       {"http", "127.0.0.1"},
                                                       {"http", "127.0.0.1:65536"},
                                                       {"http", "[::1:80"},
                                                       {"http-origin", "app.example"},
                                                       {"http-origin", "ftp://a"},
                                                       {"http-name", "a b"},
                                                       {"http-name", "a:80"},
                                                       {"listen", "x:1"},
                                                       {"public-address", "0.0.0.0"},
                                                       {"public-address", "1.2.3.4:0"},
                                                       {"public-address", "[2001:db8::7]"},
                                                       {"public-address", "media.example:443"},
                                                       {"cores", ""},
                                                       {"cores", "0,"},
                                                       {"cores", "3-2"},
                                                       {"cores", "a"},
                                                       {"cores", "1024"},
                                                       {"shards", "0"},
                                                       {"shards", "257"},
                                                       {"shards", "-1"},
                                                       {"shards", "1x"},
                                                       {"io", "epoll"},
                                                       {"srtp", "nss"},
                                                       {"max-sessions", "0"},
                                                       {"max-sessions", "65537"},
                                                       {"max-rooms", "0"},
                                                       {"max-streams", "65537"},
                                                       {"echo-delay", "2001"},
                                                       {"drain-seconds", "86401"},
                                                       {"log-level", "loud"},
                                                       {"role", "turn"},
                                                       {"server", "7"},
                                                       {"server", "7=x:1"},
                                                       {"server", "7=1.2.3.4:5,trunks"},
                                                       {"node", "16384"},
                                                       {"trunk", "3479"},
                                                       {"relay-address", "::"},
                                                       {"relay-ports", "49152"},
                                                       {"relay-port-mode", "bpf"},
                                                       {"transmit", "raw"},
                                                       {"max-flows", "0"},
                                                       {"max-routes", "1048577"},
                                                       {"flow-idle", "4"},
                                                       {"turn-user", "alice"},
                                                       {"turn-user", "@"},
                                                       {"realm", "a\"b"},
                                                       {"turn-allow-peer", "10.0.0.1/8"},
                                                       {"max-allocations", "0"},
                                                       {"turn-user-quota", "-1"},
                                                       {"turn-allocation-kbps", "x"},
                                                       {"turn-tls", "5349"},
                                                       {"http-cert", ""}};
  for (const auto& [option, value] : cases) {
    const std::string text = wrong({{option, {value}}});
    CHECK_MESSAGE(text.starts_with(std::string("--") + option + ": "), text);
    CHECK_MESSAGE((has(text, "; ") || has(text, "names no file")), text);
  }
}

TEST_CASE("a literal secret is refused without repeating it") {
  for (const char* option :
       {"admin-token", "room-secret", "route-key", "ice-key", "trunk-key", "turn-secret", "turn-user"}) {
    const std::string text = wrong({{option, {"hunter2"}}});
    CHECK(has(text, "@FILE"));
    CHECK_FALSE(has(text, "hunter2"));
  }
}

TEST_CASE("options that belong together or exclude each other are checked") {
  CHECK(wrong({{"http-cert", {"c"}}}) == "--http-cert needs --http-key; give both or neither");
  CHECK(wrong({{"dtls-key", {"k"}}}) == "--dtls-key needs --dtls-cert; give both or neither");
  CHECK(has(wrong({{"cores", {"0"}}, {"shards", {"2"}}}), "exclude each other"));
  CHECK(has(wrong({{"http", {"127.0.0.1:1", "127.0.0.1:2"}}}), "give it once"));
  CHECK(has(wrong({{"listen", {"127.0.0.1:1", "127.0.0.1:1"}}}), "given twice"));
}

TEST_CASE("mistakes in the file are named with file and line") {
  CHECK(wrong({}, "http = \"127.0.0.1:1\"\nlisen = \"x\"\n") ==
        "sluice.toml:2: unknown key 'lisen'; did you mean listen?");
  CHECK(has(wrong({}, "frobnicate = 1"), "sluice.toml:1: unknown key 'frobnicate'"));
  CHECK(has(wrong({}, "\n\nhttp = \n"), "sluice.toml:3: "));
  CHECK(wrong({}, "max-sessions = \"7\"") ==
        "sluice.toml:1: max-sessions: give a whole number without quotes");
  CHECK(wrong({}, "busy-poll = 1") == "sluice.toml:1: busy-poll: give true or false");
  CHECK(wrong({}, "http = 8080") == "sluice.toml:1: http: give a string");
  CHECK(wrong({}, "http = [\"127.0.0.1:1\"]") == "sluice.toml:1: http: give a string");
  CHECK(wrong({}, "listen = [1]") == "sluice.toml:1: listen: give a string or an array of strings");
  CHECK(has(wrong({}, "[http]\nlisten = 1"), "sluice.toml:1: http"));
  CHECK(has(wrong({}, "max-sessions = -1"), "sluice.toml:1: max-sessions: '-1' is out of range"));
}

TEST_CASE("a file that cannot be read is named") {
  const auto c = load_config({}, "/nonexistent/sluice.toml");
  REQUIRE_FALSE(c.has_value());
  CHECK(has(c.error().text, "/nonexistent/sluice.toml"));
}

TEST_CASE("a mistyped name is answered with the one that was probably meant, or with none") {
  const std::string_view known[] = {"http", "listen", "max-sessions", "run"};
  CHECK(closest("htpp", known) == "http");
  CHECK(closest("rnu", known) == "run");
  CHECK(closest("max-session", known) == "max-sessions");
  CHECK(closest("foo", known).empty());
  CHECK(closest("", known).empty());
  CHECK(closest(std::string(100'000, 'x'), known).empty());
}

TEST_CASE("option names are unique and explained") {
  std::set<std::string_view> names;
  for (const Option& o : options()) {
    CHECK(names.insert(o.name).second);
    CHECK(o.help.size() > 10);
    CHECK_FALSE(o.standard.empty());
    CHECK((o.kind == Kind::toggle) == o.metavar.empty());
  }
}

TEST_CASE("check names each value with its source and who may do what") {
  const Config c = good({{"max-sessions", {"8"}}}, "http = \"0.0.0.0:1\"");
  const std::string values = explain_values(c);
  CHECK(has(values, "--max-sessions"));
  CHECK(has(values, "sluice.toml:1"));
  const std::string access = explain_access(c);
  CHECK(has(access, "nobody, since HTTP is not on loopback"));
  CHECK(has(access, "everybody who reaches the port"));
  CHECK(has(access, "--http-cert"));
  CHECK(has(explain_access(good({{"admin-token", {"@a"}}, {"room-secret", {"@r"}}})), "the admin token"));
  CHECK(
      has(explain_access(good({{"admin-token", {"@a"}}, {"room-secret", {"@r"}}})), "who has a room token"));
}
