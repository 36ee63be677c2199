// What `sluice token ufrag` and `sluice token turn` print.
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include "engine/relay/keys.h"
#include "net/crypto/hmac.h"
#include "tests/support/opened_ufrag.h"
#include "tests/support/temp_folder.h"
#include "tools/sluice/commands.h"

using namespace sluice;
using namespace sluice::test;
namespace relay = sluice::engine::relay;

namespace {

constexpr const char* kRoute = "4:0123456789abcdef\n0:another-route-key\n";
constexpr const char* kIce = "0:another-ice-key-x\n4:fedcba9876543210\n";

/// The lines that `command` prints on stdout, with its exit status.
template <class F>
std::pair<int, std::vector<std::string>> printed(F command) {
  const TempFile file("");
  std::fflush(stdout);
  const int before = dup(STDOUT_FILENO);
  const int to = open(file.path().c_str(), O_WRONLY);
  REQUIRE(dup2(to, STDOUT_FILENO) == STDOUT_FILENO);
  close(to);
  const int status = command();
  std::fflush(stdout);
  dup2(before, STDOUT_FILENO);
  close(before);
  std::ifstream in(file.path());
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return {status, lines};
}

}  // namespace

TEST_CASE("each line is a ufrag for the server and the password that goes with it") {
  const TempFile route(kRoute), ice_file(kIce);
  const auto [status, lines] = printed([&] {
    return make_ufrags(
        {.route_key = route.reference(), .ice_key = ice_file.reference(), .server = "3.7", .count = 5});
  });
  CHECK(status == 0);
  REQUIRE(lines.size() == 5);
  const auto keys = relay::fleet_keys(kRoute, kIce);
  REQUIRE(keys.has_value());
  std::set<std::string> seen;
  for (const auto& line : lines) {
    REQUIRE(line.size() == 24 + 1 + 32);
    const std::string ufrag = line.substr(0, 24);
    CHECK(seen.insert(ufrag).second);
    const auto fields = opened(keys->front(), ufrag);
    CHECK(fields.region == 3);
    CHECK(fields.node == 7);
    CHECK(line.substr(25) == ice::password(crypto::kPrimitives, *keys->front().ice, ufrag).text());
  }
}

TEST_CASE("without an ICE key a line is the ufrag alone") {
  const TempFile route(kRoute);
  const auto [status, lines] =
      printed([&] { return make_ufrags({.route_key = route.reference(), .ice_key = {}, .server = "7"}); });
  CHECK(status == 0);
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].size() == 24);
}

TEST_CASE("wrong wishes print nothing and end with 2, missing files with 1") {
  const TempFile route(kRoute), other("5:0123456789abcdef"), low("0:0123456789abcdef");
  const auto status = [&](const std::string& key, const std::string& ice_key, const std::string& server) {
    const auto [code, lines] =
        printed([&] { return make_ufrags({.route_key = key, .ice_key = ice_key, .server = server}); });
    CHECK(lines.empty());
    return code;
  };
  CHECK(status(route.reference(), "", "x") == 2);
  CHECK(status("literal-secret-literal", "", "7") == 2);
  CHECK(status("@/nonexistent/route", "", "7") == 1);
  CHECK(status(route.reference(), other.reference(), "7") == 2);
  CHECK(status(route.reference(), low.reference(), "7") == 2);
  const auto [code, lines] =
      printed([&] { return make_turn_login({.turn_secret = route.reference(), .user = "a:b"}); });
  CHECK(code == 2);
  CHECK(lines.empty());
}

TEST_CASE("a TURN login is a line with the username and one with the password") {
  const TempFile secret("the-secret-of-turn\nthe-old-secret\n");
  const auto [status, lines] = printed(
      [&] { return make_turn_login({.turn_secret = secret.reference(), .user = "alice", .ttl_s = 60}); });
  CHECK(status == 0);
  REQUIRE(lines.size() == 2);
  REQUIRE(lines[0].ends_with(":alice"));
  const auto expires = std::stoull(lines[0]);
  CHECK(relay::turn_credential("the-secret-of-turn", "alice", expires).password == lines[1]);
}

TEST_CASE("a TURN login is made of no secret that the daemon would refuse") {
  for (const std::string& text : {std::string("a secret\0 with a zero", 22), std::string("\x01\x02"),
                                  std::string("a\nb\nc\n"), std::string("\n")}) {
    const TempFile secret(text);
    const auto [status, lines] =
        printed([&] { return make_turn_login({.turn_secret = secret.reference(), .user = "alice"}); });
    CHECK(status == 1);
    CHECK(lines.empty());
    CHECK_FALSE(read_turn_secrets(secret.reference()).has_value());
  }
}
