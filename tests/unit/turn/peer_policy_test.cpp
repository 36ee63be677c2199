#include "net/turn/peer_policy.h"

#include <string>

#include <doctest/doctest.h>

using namespace sluice;
using namespace sluice::turn;

namespace {

Address addr(std::string_view text) { return parse_address(text).value(); }
bool allowed(const PeerPolicy& p, std::string_view text) {
  return p.verdict(addr(text)) == PeerVerdict::allowed;
}

}  // namespace

TEST_CASE("addresses that are not globally reachable are denied") {
  const PeerPolicy policy;
  for (const char* text : {"0.0.0.0",
                           "0.1.2.3",
                           "10.0.0.1",
                           "10.255.255.255",
                           "100.64.0.1",
                           "100.127.255.255",
                           "127.0.0.1",
                           "127.255.255.255",
                           "169.254.169.254",
                           "172.16.0.1",
                           "172.31.255.255",
                           "192.0.0.1",
                           "192.0.0.255",
                           "192.168.0.1",
                           "192.168.255.255",
                           "198.18.0.1",
                           "198.19.255.255",
                           "224.0.0.1",
                           "239.255.255.255",
                           "240.0.0.1",
                           "255.255.255.254",
                           "255.255.255.255",
                           "::",
                           "::1",
                           "fc00::1",
                           "fdff::1",
                           "fe80::1",
                           "febf::1",
                           "fec0::1",
                           "ff02::1",
                           "100::1",
                           "64:ff9b:1::1"}) {
    CAPTURE(text);
    CHECK_FALSE(allowed(policy, text));
  }
}

TEST_CASE("their neighbours are not") {
  const PeerPolicy policy;
  for (const char* text :
       {"1.0.0.0",         "9.255.255.255",   "11.0.0.0",        "100.63.255.255", "100.128.0.0",
        "126.255.255.255", "128.0.0.0",       "169.253.255.255", "169.255.0.0",    "172.15.255.255",
        "172.32.0.0",      "192.0.1.0",       "192.167.255.255", "192.169.0.0",    "198.17.255.255",
        "198.20.0.0",      "223.255.255.255", "2001:db8::1",     "2600::1",        "fbff::1",
        "100:0:0:1::1",    "64:ff9c::1"}) {
    CAPTURE(text);
    CHECK(allowed(policy, text));
  }
}

TEST_CASE("an IPv4 address inside an IPv6 address is looked at as well") {
  const std::array host{addr("8.8.4.4")};
  const PeerPolicy policy{.allow = {}, .host = host, .exceptions = {}};
  for (const char* text :
       {"::ffff:10.0.0.1", "::ffff:8.8.4.4", "::10.0.0.1", "::8.8.4.4", "64:ff9b::10.0.0.1",
        "64:ff9b::127.0.0.1", "64:ff9b::8.8.4.4", "64:ff9b::224.0.0.1", "2002:a00:1::1", "2002:7f00:1::1",
        "2002:808:404::1", "2001:0:a00:1::f7f7:f7f7", "2001:0:808:808::f5ff:fffe", "2001:db8::5efe:a00:1",
        "2001:db8::200:5efe:a00:1"}) {
    CAPTURE(text);
    CHECK_FALSE(allowed(policy, text));
  }
  for (const char* text : {"::ffff:8.8.8.8", "::8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1",
                           "2001:0:808:808::f7f7:f7f7", "2001:db8::5efe:808:808"}) {
    CAPTURE(text);
    CHECK(allowed(policy, text));
  }
}

TEST_CASE("the host's own addresses are denied, allow lists open, exceptions open ports") {
  const std::array host{addr("203.0.113.1"), addr("2001:db8::1")};
  const std::array allow{parse_cidr("10.1.0.0/16").value(), parse_cidr("127.0.0.1").value(),
                         parse_cidr("fd00::/8").value(), parse_cidr("224.0.0.0/4").value()};
  const std::array exceptions{PeerException{addr("203.0.113.1"), 50000, 50099}};
  const PeerPolicy policy{.allow = allow, .host = host, .exceptions = exceptions};
  CHECK(policy.verdict(addr("203.0.113.1")) == PeerVerdict::ports_only);
  CHECK(policy.endpoint_allowed({addr("203.0.113.1"), 50000}));
  CHECK(policy.endpoint_allowed({addr("203.0.113.1"), 50099}));
  CHECK_FALSE(policy.endpoint_allowed({addr("203.0.113.1"), 49999}));
  CHECK_FALSE(policy.endpoint_allowed({addr("203.0.113.1"), 50100}));
  CHECK(policy.verdict(addr("2001:db8::1")) == PeerVerdict::denied);
  CHECK(allowed(policy, "2001:db8::2"));
  CHECK(allowed(policy, "10.1.255.255"));
  CHECK_FALSE(allowed(policy, "10.2.0.0"));
  CHECK(allowed(policy, "127.0.0.1"));
  CHECK_FALSE(allowed(policy, "127.0.0.2"));
  CHECK(allowed(policy, "fd12::1"));
  CHECK_FALSE(allowed(policy, "fc12::1"));
  CHECK_FALSE(allowed(policy, "224.0.0.1"));  // nobody is there
  CHECK(allowed(policy, "64:ff9b::10.1.0.1"));
}

TEST_CASE("prefixes are parsed strictly") {
  CHECK(parse_cidr("10.0.0.0/8")->bits == 104);
  CHECK(parse_cidr("0.0.0.0/0")->bits == 96);
  CHECK(parse_cidr("::/0")->bits == 0);
  CHECK(parse_cidr("::ffff:10.0.0.0/104")->bits == 104);
  CHECK(parse_cidr("10.0.0.1")->bits == 128);
  CHECK(parse_cidr("0.0.0.0/0")->contains(addr("255.1.2.3")));
  CHECK_FALSE(parse_cidr("0.0.0.0/0")->contains(addr("::1")));
  CHECK(parse_cidr("10.0.0.0/9")->contains(addr("10.127.0.0")));
  CHECK_FALSE(parse_cidr("10.0.0.0/9")->contains(addr("10.128.0.0")));
  for (const char* bad : {"", "/", "10.0.0.0/", "10.0.0.0/33", "::/129", "10.0.0.0/-1", "10.0.0.0/8x",
                          "10.0.0/8", "10.0.0.0/ 8", "10.0.0.0/256"})
    CHECK_FALSE(parse_cidr(bad).has_value());
}
