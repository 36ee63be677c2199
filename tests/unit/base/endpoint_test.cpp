#include "net/base/endpoint.h"

#include <string>

#include <doctest/doctest.h>

using namespace sluice;

namespace {
std::string text(std::string_view address) {
  EndpointText out;
  return std::string(format(parse_address(address).value(), out));
}
std::string masked(std::string_view endpoint) {
  EndpointText out;
  return std::string(format_masked(parse_endpoint(endpoint).value(), out));
}
}  // namespace

TEST_CASE("addresses print as RFC 5952 asks") {
  CHECK(text("192.0.2.1") == "192.0.2.1");
  CHECK(text("::") == "::");
  CHECK(text("::1") == "::1");
  CHECK(text("2001:db8::") == "2001:db8::");
  CHECK(text("2001:0db8:0000:0000:0001:0000:0000:0001") == "2001:db8::1:0:0:1");
  CHECK(text("2001:db8:0:1:1:1:1:1") == "2001:db8:0:1:1:1:1:1");
  CHECK(text("::ffff:192.0.2.128") == "192.0.2.128");
  CHECK(text("fe80::1:2:3") == "fe80::1:2:3");
}

TEST_CASE("malformed addresses are refused") {
  for (const char* bad :
       {"", "1", "1.2.3", "1.2.3.4.5", "256.1.1.1", "1.2.3.4 ", ":", ":::", "1::2::3", "1:2:3:4:5:6:7",
        "1:2:3:4:5:6:7:8:9", "12345::", "g::", "1:", "::1.2.3", "1.2.3.4::"})
    CHECK_MESSAGE(!parse_address(bad).has_value(), bad);
}

TEST_CASE("endpoints need a port and brackets around IPv6") {
  EndpointText out;
  CHECK(format(parse_endpoint("127.0.0.1:3478").value(), out) == "127.0.0.1:3478");
  CHECK(format(parse_endpoint("[::1]:65535").value(), out) == "[::1]:65535");
  for (const char* bad :
       {"1.2.3.4", "::1:5", "[1.2.3.4]:5", "1.2.3.4:65536", "1.2.3.4:", ":5", "1.2.3.4:-1", "[]:1"})
    CHECK_MESSAGE(!parse_endpoint(bad).has_value(), bad);
}

TEST_CASE("logs do not name a client's host") {
  CHECK(masked("192.0.2.77:9") == "192.0.2.x:9");
  CHECK(masked("[2001:db8:1:2345:6:7:8:9]:9") == "[2001:db8:1:23xx:x]:9");
}
