#include "engine/relay/text.h"

#include <random>

#include <doctest/doctest.h>

using namespace sluice;
using namespace sluice::engine::relay;

namespace {

std::string text(const Endpoint& e) {
  EndpointText t;
  return std::string(format(e, t));
}

/// Every error says, behind a semicolon, what would be right.
template <class T>
void check_error(const std::expected<T, TextError>& r) {
  REQUIRE_FALSE(r.has_value());
  CHECK_MESSAGE(r.error().find("; ") != std::string::npos, r.error());
  CHECK(r.error().find('\n') == std::string::npos);
}

}  // namespace

TEST_CASE("a server's ID is a node, or a region and a node") {
  CHECK(*parse_server_id("0") == ServerId{0, 0});
  CHECK(*parse_server_id("16383") == ServerId{0, 16383});
  CHECK(*parse_server_id("63.16383") == ServerId{63, 16383});
  for (const char* bad : {"", ".", "1.", ".1", "16384", "64.0", "1.2.3", "-1", "a", "1 ", "0x1"})
    check_error(parse_server_id(bad));
  CHECK(to_text({0, 7}) == "7");
  CHECK(to_text({3, 7}) == "3.7");
  CHECK(*parse_server_id("0.7") == ServerId{0, 7});
}

TEST_CASE("a server is its ID, its endpoint and how to reach it") {
  const auto plain = parse_server("7=192.0.2.7:3478");
  REQUIRE(plain.has_value());
  CHECK(plain->id == ServerId{0, 7});
  CHECK(text(plain->address) == "192.0.2.7:3478");
  CHECK_FALSE(plain->trunk);
  const auto trunk = parse_server("2.9=[2001:db8::7]:3479,trunk");
  REQUIRE(trunk.has_value());
  CHECK(trunk->id == ServerId{2, 9});
  CHECK(text(trunk->address) == "[2001:db8::7]:3479");
  CHECK(trunk->trunk);
  for (const char* bad : {"", "7", "7=", "=1.2.3.4:5", "x=1.2.3.4:5", "7=1.2.3.4", "7=1.2.3.4:0",
                          "7=0.0.0.0:5", "7=224.0.0.1:5", "7=[ff02::1]:5", "7=1.2.3.4:5,",
                          "7=1.2.3.4:5,trunks", "7=1.2.3.4:5,trunk,trunk", "7=media.example:5"})
    check_error(parse_server(bad));
}

TEST_CASE("a trunk's port that is listened on is refused, on whichever address and shard they meet") {
  const auto at = [](const char* text) { return *parse_endpoint(text); };
  const auto clash = [&](const char* trunk, bool media, uint32_t shards, const char* listen) {
    const Endpoint l = at(listen);
    const auto checked = check_trunk_ports(trunk_ports(at(trunk), media, shards), {&l, 1});
    if (!checked) check_error(checked);
    return checked ? std::string() : checked.error();
  };
  CHECK(clash("10.0.0.7:3478", true, 4, "0.0.0.0:3478") ==
        "10.0.0.7:3478 is also what listen has (0.0.0.0:3478); give trunk or listen another port");
  CHECK(clash("10.0.0.7:3476", false, 4, "[::]:3478").starts_with("shard 2's 10.0.0.7:3478 is also"));
  CHECK(clash("10.0.0.7:3478", false, 1, "10.0.0.7:3478").starts_with("10.0.0.7:3478 is also"));
  CHECK(clash("[::]:3478", true, 1, "192.0.2.1:3478") != "");
  CHECK(clash("10.0.0.7:65535", false, 2, "0.0.0.0:3478").starts_with("2 shards have no port each"));
  CHECK(clash("10.0.0.7:3476", true, 4, "0.0.0.0:3478").empty());
  CHECK(clash("10.0.0.7:3476", false, 2, "0.0.0.0:3478").empty());
  CHECK(clash("10.0.0.7:3478", true, 1, "10.0.0.8:3478").empty());
  CHECK(clash("[2001:db8::7]:3478", true, 1, "0.0.0.0:3478").empty());
  CHECK(clash("10.0.0.7:0", false, 4, "0.0.0.0:0").empty());
}

TEST_CASE("what clients are told is an address, with the port of a relay in front or without") {
  CHECK(text(*parse_public("203.0.113.7")) == "203.0.113.7:0");
  CHECK(text(*parse_public("203.0.113.7:443")) == "203.0.113.7:443");
  CHECK(text(*parse_public("2001:db8::7")) == "[2001:db8::7]:0");
  CHECK(text(*parse_public("[2001:db8::7]:443")) == "[2001:db8::7]:443");
  for (const char* bad :
       {"", "0.0.0.0", "::", "0.0.0.0:443", "203.0.113.7:0", "203.0.113.7:65536",
        "203.0.113.7:", "[2001:db8::7]", "224.0.0.1", "[ff02::1]:443", "relay.example", "relay.example:443"})
    check_error(parse_public(bad));
}

TEST_CASE("an address range has no bits behind its prefix") {
  CHECK(parse_cidr("10.0.0.0/8")->bits == 8);
  CHECK(parse_cidr("10.1.2.3")->bits == 32);
  CHECK(parse_cidr("0.0.0.0/0")->bits == 0);
  CHECK(parse_cidr("2001:db8::/32")->bits == 32);
  CHECK(parse_cidr("::1")->bits == 128);
  for (const char* bad : {"", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.1/8", "10.0.0.0/8/8",
                          "2001:db8::1/32", "2001:db8::/129", "example/8", "10.0.0.0/-1", "0.0.0.1/31"})
    check_error(parse_cidr(bad));
}

TEST_CASE("relay ports are a range with room for a block") {
  const auto r = parse_ports("49152-65535");
  REQUIRE(r.has_value());
  CHECK(r->lo == 49152);
  CHECK(r->hi == 65535);
  CHECK(parse_ports("1024-1087").has_value());
  for (const char* bad : {"", "-", "49152", "49152-", "-65535", "65535-49152", "80-90", "1023-2000",
                          "1025-1087", "1025-1150", "49152-65536", "a-b", "49152-65535-1"})
    check_error(parse_ports(bad));
}

TEST_CASE("a TURN user's password may hold colons, and no error repeats it") {
  const auto u = parse_turn_user("alice:pass:word");
  REQUIRE(u.has_value());
  CHECK(u->name == "alice");
  CHECK(u->password == "pass:word");
  for (const std::string& bad : {std::string("hunter2"), std::string(":hunter2"), std::string("alice:"),
                                 std::string("alice:hunter2\n"), "alice:hunter2" + std::string(300, 'x')}) {
    const auto r = parse_turn_user(bad);
    check_error(r);
    CHECK(r.error().find("hunter2") == std::string::npos);
  }
}

TEST_CASE("TURN's secrets are one or two lines of printable text") {
  const auto two = parse_turn_secrets("\nnew secret\r\n\nold secret");
  REQUIRE(two.has_value());
  REQUIRE(two->size() == 2);
  CHECK(two->front().text == "new secret");
  CHECK(two->back().number == 4);
  const std::string zero("a secret\0behind", 15);
  for (const std::string& bad : {std::string(), std::string("\r\n\n"), std::string("a\nb\nc"), zero,
                                 std::string("a\rb"), std::string("caf\xc3\xa9"), std::string(4097, 'a')})
    check_error(parse_turn_secrets(bad));
  CHECK(parse_turn_secrets("good\nbad\x01").error().starts_with("line 2 holds bytes"));
  CHECK(parse_turn_secrets(std::string(4096, 'a')).has_value());
}

TEST_CASE("what is soon guessed is called weak") {
  CHECK(weakness_of("0123456789abcde") ==
        "holds 15 characters, use at least 16, e.g. from openssl rand -hex 32");
  CHECK(weakness_of("0123456789abcdef").empty());
}

TEST_CASE("a realm is short and needs no quoting") {
  CHECK(valid_realm("sluice"));
  CHECK(valid_realm("turn.example"));
  for (const std::string& bad :
       {std::string(), std::string("a\"b"), std::string("a\\b"), std::string(65, 'x'), std::string("a\tb")})
    CHECK_FALSE(valid_realm(bad));
}

TEST_CASE("any text is read or refused, never a crash") {
  std::mt19937 random(5);
  constexpr std::string_view kAlphabet = "0123456789.:=,/-[]trunkabf \n\x80";
  for (int round = 0; round < 20'000; ++round) {
    std::string t;
    for (auto n = random() % 40; n > 0; --n) t.push_back(kAlphabet[random() % kAlphabet.size()]);
    if (const auto s = parse_server(t)) CHECK(s->address.port != 0);
    if (const auto c = parse_cidr(t)) CHECK(c->bits <= 128);
    if (const auto p = parse_ports(t)) CHECK(p->lo <= p->hi);
    (void)parse_server_id(t);
    (void)parse_turn_user(t);
  }
}
