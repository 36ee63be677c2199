#include "tools/load/options.h"

#include <functional>
#include <limits>

#include <doctest/doctest.h>

using namespace sluice;
using namespace sluice::load;

namespace {

Options good() {
  Options o;
  o.target = parse_endpoint("127.0.0.1:3478").value();
  o.serve = parse_endpoint("127.0.0.1:7000").value();
  return o;
}

}  // namespace

TEST_CASE("What is wrong is named with its flag") {
  struct Case {
    const char* flag;
    std::function<void(Options&)> spoil;
  };
  const Case cases[] = {
      {"--sessions", [](Options& o) { o.sessions = 0; }},
      {"--rate", [](Options& o) { o.rate = 0; }},
      {"--rate", [](Options& o) { o.rate = std::numeric_limits<double>::quiet_NaN(); }},
      {"--seconds", [](Options& o) { o.seconds = 1e9; }},
      {"--size", [](Options& o) { o.size = 10; }},
      {"--setup-rate", [](Options& o) { o.setup_rate = -1; }},
      {"--setup-clump", [](Options& o) { o.setup_clump = 0; }},
      {"--ramp", [](Options& o) { o.ramp = 1e6; }},
      {"--cores", [](Options& o) { o.cores = {100'000}; }},
      {"--to", [](Options& o) { o.target.port = 0; }},
      {"--servers", [](Options& o) { o.servers = 0; }},
      {"--serve", [](Options& o) { o.serve.port = 65'500, o.servers = 100; }},
      {"--direction", [](Options& o) { o.up = o.down = false; }},
      {"--max-sessions", [](Options& o) { o.search = true, o.max_sessions = 1; }},
      {"--trial-seconds", [](Options& o) { o.search = true, o.trial_seconds = 0; }},
      {"--veth", [](Options& o) { o.veth = {.make = true, .via = "sl", .server_cores = {}}; }},
      {"--io", [](Options& o) { o.io = Io::frames; }},
      {"--io", [](Options& o) { o.io = Io::sockets, o.veth.make = true; }},
      {"--to", [](Options& o) { o.veth.make = true, o.target = parse_endpoint("[::1]:1").value(); }},
      {"--serve", [](Options& o) { o.serve = parse_endpoint("[::1]:7000").value(); }},
      {"--user", [](Options& o) { o.mode = Mode::turn; }},
      {"--user", [](Options& o) { o.mode = Mode::turn, o.turn.user = "alice"; }},
      {"--ufrags", [](Options& o) { o.mode = Mode::relay, o.relay.route_key = "@file"; }},
      {"--sessions", [](Options& o) { o.mode = Mode::whip, o.whip.players = 2, o.sessions = 10; }},
      {"--players", [](Options& o) { o.mode = Mode::whip, o.whip.players = 2000, o.sessions = 2001; }},
  };
  CHECK(check(good()));
  for (const Case& c : cases) {
    Options o = good();
    c.spoil(o);
    const auto checked = check(o);
    REQUIRE_FALSE(checked);
    CHECK(checked.error().starts_with(c.flag));
  }
}

TEST_CASE("Lists of cores") {
  CHECK(parse_cores("1").value() == std::vector<unsigned>{1});
  CHECK(parse_cores("0,2-4").value() == std::vector<unsigned>{0, 2, 3, 4});
  for (const char* bad : {"", "x", "1,", "3-1", "1-", "0-99999", "1;2"}) CHECK_FALSE(parse_cores(bad));
}
