// The relay tier's part of /v1, from whole requests to a real engine.
#include <algorithm>

#include <boost/json.hpp>
#include <doctest/doctest.h>
#include <fmt/format.h>

#include "engine/control/http/service.h"
#include "engine/control/http/v1_relay.h"
#include "tests/support/self_signed.h"
#include "tests/unit/control/live_engine.h"
#include "tests/unit/control/turn_login.h"

using namespace sluice;
using namespace sluice::http;
using test::LiveEngine;
namespace json = boost::json;

namespace {

struct Fixture {
  explicit Fixture(test::Tune tune = nullptr, ServiceOptions options = {})
      : engine(tune), service(engine.get(), std::move(options)) {}

  static Request request(std::string_view method, std::string_view target, std::string body = {}) {
    Request r;
    r.method = method_of(method);
    r.target = std::string(target);
    r.headers.add("Host", "localhost:8080");
    r.body = std::move(body);
    r.local = *parse_endpoint("127.0.0.1:8080");
    r.remote = *parse_endpoint("127.0.0.1:5000");
    return r;
  }
  Response ask(std::string_view method, std::string_view target, std::string body = {}) {
    return service.handle(request(method, target, std::move(body)));
  }

  LiveEngine engine;
  Service service;
};

json::object object(const Response& r) {
  const json::value v = json::parse(r.body);
  return v.get_object();
}
std::string field_of(const Response& r) {
  return std::string(object(r).at("error").at("field").get_string());
}
std::string text(const json::value& v) { return std::string(v.get_string()); }

std::string route(std::string_view ufrag, std::string_view server, std::string_view more = "") {
  return fmt::format(R"({{"ufrag":"{}","server":"{}"{}}})", ufrag, server, more);
}
std::string routes(std::initializer_list<std::string> list) {
  std::string out;
  for (const auto& r : list) out += (out.empty() ? "" : ",") + r;
  return "{\"routes\":[" + out + "]}";
}
int64_t route_count(Fixture& f) {
  return object(f.ask("GET", "/v1/routes")).at("routes").to_number<int64_t>();
}

std::string sdp_body(std::string_view sdp, std::string_view side, std::string_view more = "") {
  return fmt::format(R"({{"sdp":{},"side":"{}"{}}})", json::serialize(json::string(sdp)), side, more);
}

void turn_with_secret(sluice_config& c) {
  c.turn_secret = "0123456789abcdef";
  static const char* const tls[] = {"127.0.0.1:0"};
  static const test::SelfSigned pair;
  static const std::string cert = pair.cert(), key = pair.key();
  c.turn_tls = tls;
  c.turn_tls_count = 1;
  c.turn_tls_cert_file = cert.c_str();
  c.turn_tls_key_file = key.c_str();
}

void turn_with_users(sluice_config& c) {
  static const char* const users[] = {"alice:wonderland", "bob:wonderland"};
  static const char* const relay[] = {"127.0.0.1"};
  c.turn_user = users;
  c.turn_user_count = 2;
  c.relay_address = relay;
  c.relay_address_count = 1;
  c.relay_port_mode = SLUICE_RELAY_PORTS_SOCKETS;
}

}  // namespace

TEST_CASE("servers are put, listed, moved and removed") {
  Fixture f;
  CHECK(f.ask("PUT", "/v1/servers/7", R"({"address":"192.0.2.7:3478"})").status == 200);
  CHECK(f.ask("PUT", "/v1/servers/3.7", R"({"address":"[2001:db8::7]:3478","trunk":false})").status == 200);
  CHECK(f.ask("PUT", "/v1/servers/7", R"({"address":"192.0.2.8:3478"})").status == 200);
  const auto list = object(f.ask("GET", "/v1/servers")).at("servers").get_array();
  REQUIRE(list.size() == 2);
  CHECK(text(list[0].at("id")) == "7");
  CHECK(text(list[0].at("address")) == "192.0.2.8:3478");
  CHECK(text(list[1].at("id")) == "3.7");
  CHECK(list[0].at("up").at("packets").to_number<int>() == 0);
  CHECK(f.ask("DELETE", "/v1/servers/7").status == 200);
  CHECK(f.ask("DELETE", "/v1/servers/7").status == 404);
  CHECK(object(f.ask("GET", "/v1/servers")).at("servers").get_array().size() == 1);
}

TEST_CASE("a wrong server is refused with the member at fault") {
  Fixture f;
  const std::tuple<const char*, const char*, const char*> cases[] = {
      {"/v1/servers/x", R"({"address":"192.0.2.7:1"})", "id"},
      {"/v1/servers/16384", R"({"address":"192.0.2.7:1"})", "id"},
      {"/v1/servers/1", R"({"address":"192.0.2.7:1"})", "id"},
      {"/v1/servers/7", R"({"address":"192.0.2.7"})", "address"},
      {"/v1/servers/7", R"({"address":"0.0.0.0:1"})", "address"},
      {"/v1/servers/7", R"({"address":7})", "address"},
      {"/v1/servers/7", R"({})", "address"},
      {"/v1/servers/7", R"({"address":"192.0.2.7:1","trunk":1})", "trunk"},
      {"/v1/servers/7", R"({"address":"192.0.2.7:1","trunk":true})", "trunk"},
      {"/v1/servers/7", R"({"adress":"192.0.2.7:1"})", "adress"},
      {"/v1/servers/7", R"([])", "body"},
      {"/v1/servers/7", "", "body"},
      {"/v1/servers/7", "{", "body"}};
  for (const auto& [target, body, field] : cases) {
    const Response r = f.ask("PUT", target, body);
    CHECK(r.status == 400);
    CHECK_MESSAGE(field_of(r) == field, body);
  }
  CHECK(f.ask("POST", "/v1/servers", "{}").status == 405);
  CHECK(f.ask("GET", "/v1/servers/7").status == 405);
}

TEST_CASE("thousands of routes are installed and removed in one call") {
  Fixture f;
  std::string body = "{\"routes\":[";
  for (int i = 0; i < 5000; ++i)
    body += (i == 0 ? "" : ",") + route(fmt::format("u{:04}", i), "192.0.2.7:40000");
  body += "]}";
  const Response r = f.ask("PUT", "/v1/routes", body);
  REQUIRE(r.status == 200);
  CHECK(object(r).at("installed").to_number<int>() == 5000);
  CHECK(route_count(f) == 5000);
  CHECK(f.ask("PUT", "/v1/routes", body).status == 200);
  CHECK(route_count(f) == 5000);
  CHECK(object(f.ask("DELETE", "/v1/routes", body)).at("removed").to_number<int>() == 5000);
  CHECK(route_count(f) == 0);
}

TEST_CASE("a route that conflicts is named and none of its call is installed") {
  Fixture f;
  REQUIRE(f.ask("PUT", "/v1/routes", routes({route("abcd", "192.0.2.7:1")})).status == 200);
  const Response r = f.ask("PUT", "/v1/routes",
                           routes({route("efgh", "192.0.2.8:1"), route("ijkl", "192.0.2.8:1"),
                                   route("abcd", "192.0.2.8:1"), route("efgh", "192.0.2.9:1")}));
  CHECK(r.status == 409);
  CHECK(field_of(r) == "routes[2].ufrag");
  CHECK(route_count(f) == 1);
  CHECK(f.ask("PUT", "/v1/routes", routes({route("abcd", "192.0.2.8:1", R"(,"prefix":true)")})).status ==
        200);
  CHECK(route_count(f) == 2);
}

TEST_CASE("a wrong route is refused with its place in the list") {
  Fixture f;
  const std::string good = route("abcd", "192.0.2.7:1");
  const std::pair<std::string, const char*> cases[] = {
      {routes({good, route("", "192.0.2.7:1")}), "routes[1].ufrag"},
      {routes({good, route("a b!", "192.0.2.7:1")}), "routes[1].ufrag"},
      {routes({good, route("abcd", "192.0.2.7")}), "routes[1].server"},
      {routes({good, route("abcd", "192.0.2.7:1", R"(,"ttl_s":0)")}), "routes[1].ttl_s"},
      {routes({good, route("abcd", "192.0.2.7:1", R"(,"ttl_s":604801)")}), "routes[1].ttl_s"},
      {routes({good, route("abcd", "192.0.2.7:1", R"(,"prefix":"no")")}), "routes[1].prefix"},
      {routes({good, route("abcd", "192.0.2.7:1", R"(,"ttl":1)")}), "routes[1].ttl"},
      {routes({good, R"({"server":"192.0.2.7:1"})"}), "routes[1].ufrag"},
      {routes({good, R"({"ufrag":"ab\u0000cd","server":"192.0.2.7:1"})"}), "routes[1].ufrag"},
      {routes({good, "7"}), "routes[1]"},
      {R"({"routes":{}})", "routes"},
      {R"({"route":[]})", "route"},
      {std::string(100, '['), "body"}};
  for (const auto& [body, field] : cases) {
    const Response r = f.ask("PUT", "/v1/routes", body);
    CHECK(r.status == 400);
    CHECK_MESSAGE(field_of(r) == field, body);
  }
  CHECK(route_count(f) == 0);
}

TEST_CASE("an offer loses its candidates, an answer gets the relay's and a route") {
  Fixture f;
  const Response offer = f.ask("POST", "/v1/sdp", sdp_body(test::publisher_offer(), "offer"));
  REQUIRE(offer.status == 200);
  CHECK(text(object(offer).at("sdp")).find("a=candidate") == std::string::npos);
  CHECK(route_count(f) == 0);
  const Response answer =
      f.ask("POST", "/v1/sdp", sdp_body(test::agent_offer(), "answer", R"(,"server":"192.0.2.7:40000")"));
  REQUIRE(answer.status == 200);
  const json::object o = object(answer);
  CHECK(text(o.at("sdp")).find(" 127.0.0.1 ") != std::string::npos);
  REQUIRE(o.at("ufrags").get_array().size() == 1);
  CHECK(route_count(f) == 1);
  const std::string ufrag = text(o.at("ufrags").get_array()[0]);
  CHECK(f.ask("PUT", "/v1/routes", routes({route(ufrag, "192.0.2.9:1")})).status == 409);
  CHECK(f.ask("POST", "/v1/sdp", sdp_body(test::agent_offer(), "answer", R"(,"server":"192.0.2.9:1")"))
            .status == 409);
}

TEST_CASE("a wrong description is refused") {
  Fixture f;
  const std::pair<std::string, const char*> cases[] = {
      {sdp_body("nonsense", "offer"), "sdp"},
      {sdp_body(test::agent_offer(), "both"), "side"},
      {sdp_body(test::agent_offer(), "offer", R"(,"server":"192.0.2.7:1")"), "server"},
      {sdp_body(test::agent_offer(), "answer", R"(,"server":"x")"), "server"},
      {sdp_body(std::string(70'000, 'x'), "offer"), "sdp"},
      {R"({"side":"offer"})", "sdp"},
      {R"({"sdp":"v=0"})", "side"}};
  for (const auto& [body, field] : cases) {
    const Response r = f.ask("POST", "/v1/sdp", body);
    CHECK(r.status == 400);
    CHECK(field_of(r) == field);
  }
  CHECK(route_count(f) == 0);
}

TEST_CASE("TURN credentials come with the URIs that browsers take") {
  ServiceOptions options;
  options.policy.names = {"media.example"};
  Fixture f(turn_with_secret, std::move(options));
  const Response r = f.ask("POST", "/v1/turn/credentials", R"({"user":"alice","ttl_s":60})");
  REQUIRE(r.status == 200);
  const json::object o = object(r);
  CHECK(text(o.at("username")).ends_with(":alice"));
  CHECK(text(o.at("password")).size() == 28);
  CHECK(o.at("ttl_s").to_number<int>() == 60);
  const auto& uris = o.at("uris").get_array();
  REQUIRE(uris.size() == 3);
  CHECK(text(uris[0]).starts_with("turn:127.0.0.1:"));
  CHECK(text(uris[0]).ends_with("?transport=udp"));
  CHECK(text(uris[1]).ends_with("?transport=tcp"));
  CHECK(text(uris[2]).starts_with("turns:media.example:"));
  CHECK(text(uris[2]).ends_with("?transport=tcp"));
  CHECK(o.at("iceServers").get_array()[0].at("credential") == o.at("password"));
  CHECK(f.ask("POST", "/v1/turn/credentials").status == 200);
  CHECK(field_of(f.ask("POST", "/v1/turn/credentials", R"({"user":"a:b"})")) == "user");
  CHECK(field_of(f.ask("POST", "/v1/turn/credentials", R"({"ttl_s":"1"})")) == "ttl_s");
}

TEST_CASE("a process without a TURN secret makes no credentials") {
  Fixture f;
  CHECK(f.ask("POST", "/v1/turn/credentials", "{}").status == 501);
}

TEST_CASE("allocations are listed by pages, masked unless asked for, and ended") {
  Fixture f(turn_with_users);
  std::vector<test::TurnLogin> clients;
  for (const char* user : {"alice", "bob", "alice"}) clients.emplace_back(f.engine.get(), user);
  for (auto& c : clients) REQUIRE(c.allocate() == 0);
  const json::object all = object(f.ask("GET", "/v1/turn/allocations"));
  REQUIRE(all.at("allocations").get_array().size() == 3);
  CHECK(all.at("next").is_null());
  const json::object first = all.at("allocations").get_array()[0].get_object();
  CHECK(text(first.at("client")).starts_with("127.0.0.x:"));
  CHECK(text(first.at("transport")) == "udp");
  CHECK(text(first.at("user")) == "alice");
  CHECK(text(first.at("relayed").get_array()[0]).starts_with("127.0.0.1:"));
  CHECK(first.at("lifetime_s").to_number<int>() > 590);
  CHECK(first.at("up").at("packets").to_number<int>() == 0);
  const json::object page = object(f.ask("GET", "/v1/turn/allocations?limit=2&addresses=whole"));
  REQUIRE(page.at("allocations").get_array().size() == 2);
  CHECK(text(page.at("allocations").get_array()[0].at("client")).starts_with("127.0.0.1:"));
  const json::object rest =
      object(f.ask("GET", "/v1/turn/allocations?limit=2&after=" + text(page.at("next"))));
  REQUIRE(rest.at("allocations").get_array().size() == 1);
  CHECK(rest.at("next").is_null());
  const std::string id = text(first.at("id"));
  CHECK(f.ask("DELETE", "/v1/turn/allocations/" + id).status == 200);
  CHECK(clients[0].refresh(600) == 437);
  CHECK(f.ask("DELETE", "/v1/turn/allocations/" + id).status == 404);
  CHECK(object(f.ask("GET", "/v1/turn/allocations")).at("allocations").get_array().size() == 2);
}

TEST_CASE("a wrong question for allocations is refused") {
  Fixture f(turn_with_users);
  for (const auto& [target, field] : {std::pair{"?limit=0", "limit"},
                                      {"?limit=1001", "limit"},
                                      {"?limit=x", "limit"},
                                      {"?after=x", "after"},
                                      {"?addresses=all", "addresses"}}) {
    const Response r = f.ask("GET", std::string("/v1/turn/allocations") + target);
    CHECK(r.status == 400);
    CHECK(field_of(r) == field);
  }
  for (const char* id : {"0", "1", "x", "18446744073709551615", "99999999999999999999"})
    CHECK(f.ask("DELETE", std::string("/v1/turn/allocations/") + id).status == 404);
  CHECK(object(f.ask("GET", "/v1/turn/allocations")).at("allocations").get_array().empty());
  Fixture without;
  CHECK(object(without.ask("GET", "/v1/turn/allocations")).at("allocations").get_array().empty());
}

TEST_CASE("a drain waits for allocations, makes none, and ends those that are left at its deadline") {
  for (const bool patient : {true, false}) {
    CAPTURE(patient);
    Fixture f(turn_with_users);
    test::TurnLogin alice(f.engine.get(), "alice"), bob(f.engine.get(), "bob");
    REQUIRE(alice.allocate() == 0);
    sluice_drain(f.engine.get(), patient ? 600'000 : 0);
    if (patient) {
      CHECK(bob.allocate() == 508);
      CHECK(alice.refresh(0) == 0);
    }
    CHECK(f.engine.pump(SLUICE_EVENT_DRAINED, [](const sluice_event&) {}));
    sluice_turn_stats stats{};
    stats.size = sizeof stats;
    sluice_get_turn_stats(f.engine.get(), &stats);
    CHECK(stats.allocations == 0);
    CHECK(stats.deleted == 1);
  }
}

TEST_CASE("connections by TCP and TLS are counted where they are served") {
  Fixture f;
  const json::object streams = object(f.ask("GET", "/v1/relay")).at("streams").get_object();
  CHECK(streams.at("max").to_number<int>() == 4096);
  CHECK(streams.at("ended").at("tls").to_number<int>() == 0);
  Fixture without([](sluice_config& c) { c.max_streams = 0; });
  CHECK_FALSE(object(without.ask("GET", "/v1/relay")).contains("streams"));
}

TEST_CASE("the relay says what it is and how much it holds") {
  Fixture f;
  const json::object both = object(f.ask("GET", "/v1/relay"));
  CHECK(text(both.at("role")) == "both");
  CHECK(both.at("relay").get_bool());
  CHECK_FALSE(both.at("turn").get_bool());
  CHECK(both.at("max_flows").to_number<int>() == 65536);
}

TEST_CASE("long bodies are for administrators, and only where they are of use") {
  ServiceOptions options;
  options.policy.admin_token = control::Secret("the-admin-token-of-the-test");
  Fixture f(nullptr, std::move(options));
  Request r = Fixture::request("PUT", "/v1/routes");
  CHECK(f.service.body_limit(r) == kMaxSdpBytes);
  r.headers.add("Authorization", "Bearer the-admin-token-of-the-test");
  CHECK(f.service.body_limit(r) == kMaxRoutesBytes);
  r.target = "/v1/sdp";
  CHECK(f.service.body_limit(r) == kMaxSdpJsonBytes);
  r.target = "/whip/a";
  CHECK(f.service.body_limit(r) == kMaxSdpBytes);
  r.target = "//";
  CHECK(f.service.body_limit(r) == kMaxSdpBytes);
  CHECK(f.ask("PUT", "/v1/routes", routes({})).status == 401);
}
