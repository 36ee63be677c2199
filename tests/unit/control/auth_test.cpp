#include "engine/control/http/auth.h"

#include <doctest/doctest.h>

using namespace sluice;
using namespace sluice::http;
using control::Secret;

namespace {

const Secret kAdmin("admin-token-of-the-tests");
const Secret kRooms("room-secret-of-the-tests");

Request request(std::string_view host, std::string_view origin = {}, std::string_view token = {}) {
  Request r;
  r.method = Method::post;
  r.headers.add("Host", std::string(host));
  if (!origin.empty()) r.headers.add("Origin", std::string(origin));
  if (!token.empty()) r.headers.add("Authorization", "Bearer " + std::string(token));
  r.local = *parse_endpoint("192.0.2.1:8080");
  r.remote = *parse_endpoint("198.51.100.9:1234");
  return r;
}

unsigned status(const std::optional<Problem>& p) { return p ? p->status : 0; }

Policy network() {
  Policy p;
  p.loopback_only = false;
  p.admin_token = kAdmin;
  p.names = {"media.example"};
  return p;
}

std::string token(std::string room, control::Rights rights, int64_t expires = 1000) {
  return control::sign(kRooms, {std::move(room), rights, expires});
}

}  // namespace

TEST_CASE("Host names the listener's address, localhost or a configured name") {
  const Policy p = network();
  for (const char* good : {"192.0.2.1:8080", "192.0.2.1", "localhost:9000", "LOCALHOST", "127.0.0.1:1",
                           "[::1]:8080", "media.example", "Media.Example:8443", "media.example.", "[0:0::1]"})
    CHECK_MESSAGE(status(check_host(p, request(good))) == 0, std::string(good));
  for (const char* other : {"192.0.2.2:8080", "evil.example", "media.example.evil.example",
                            "localhost.evil.example", "[2001:db8::1]:80"})
    CHECK_MESSAGE(status(check_host(p, request(other))) == 421, std::string(other));
  for (const char* broken : {"", "a b", "media.example:", "media.example:http", "[::1", "[evil]",
                             "user@localhost", "localhost/..", "localhost:123456"})
    CHECK_MESSAGE(status(check_host(p, request(broken))) == 400, std::string(broken));
}

TEST_CASE("a request without Host or with two of them is malformed") {
  Request none;
  CHECK(status(check_host(network(), none)) == 400);
  Request two = request("localhost");
  two.headers.add("host", "localhost");
  CHECK(status(check_host(network(), two)) == 400);
}

TEST_CASE("an IPv6 listener answers to its own address in any spelling") {
  Request r = request("[2001:0db8:0::7]:8080");
  r.local = *parse_endpoint("[2001:db8::7]:8080");
  CHECK(status(check_host(network(), r)) == 0);
}

TEST_CASE("origins are told apart") {
  Policy p = network();
  p.origins = {*canonical_origin("https://App.Example:443/")};
  const auto kind = [&](const char* origin) {
    return classify_origin(p, request("media.example:8443", origin));
  };
  CHECK(classify_origin(p, request("media.example")) == OriginKind::none);
  CHECK(kind("https://media.example:8443") == OriginKind::same);
  CHECK(kind("http://localhost:3000") == OriginKind::loopback);
  CHECK(kind("http://127.0.0.1") == OriginKind::loopback);
  CHECK(kind("http://[::1]:5173") == OriginKind::loopback);
  CHECK(kind("http://app.localhost") == OriginKind::loopback);
  CHECK(kind("https://app.example") == OriginKind::listed);
  for (const char* foreign : {"https://media.example", "http://app.example", "https://app.example:444",
                              "null", "https://evil.example", "file://", "https://localhost.evil.example",
                              "ftp://localhost", "https://app.example.evil"})
    CHECK_MESSAGE(kind(foreign) == OriginKind::foreign, std::string(foreign));
}

TEST_CASE("an origin without a port is the same as a host with the scheme's port") {
  const Policy p = network();
  CHECK(classify_origin(p, request("media.example", "https://media.example")) == OriginKind::same);
  CHECK(classify_origin(p, request("media.example:443", "https://media.example")) == OriginKind::same);
  CHECK(classify_origin(p, request("media.example:80", "https://media.example")) == OriginKind::foreign);
}

TEST_CASE("/v1 is open on loopback without a token, and shut elsewhere") {
  Policy p;
  CHECK(status(check_admin(p, request("localhost"))) == 0);
  p.loopback_only = false;
  CHECK(status(check_admin(p, request("localhost"))) == 403);
  CHECK(status(check_admin(p, request("localhost", {}, "anything"))) == 403);
}

TEST_CASE("a configured admin token is wanted, also on loopback") {
  for (const bool loopback : {true, false}) {
    Policy p;
    p.loopback_only = loopback;
    p.admin_token = kAdmin;
    CHECK(status(check_admin(p, request("localhost"))) == 401);
    CHECK(status(check_admin(p, request("localhost", {}, "wrong"))) == 401);
    CHECK(status(check_admin(p, request("localhost", {}, kAdmin.reveal()))) == 0);
    Request twice = request("localhost", {}, kAdmin.reveal());
    twice.headers.add("Authorization", "Bearer x");
    CHECK(status(check_admin(p, twice)) == 401);
    Request basic = request("localhost");
    basic.headers.add("Authorization", "Basic " + std::string(kAdmin.reveal()));
    CHECK(status(check_admin(p, basic)) == 401);
    Request lower = request("localhost");
    lower.headers.add("authorization", "bearer " + std::string(kAdmin.reveal()));
    CHECK(status(check_admin(p, lower)) == 0);
  }
}

TEST_CASE("/v1 refuses every other origin, token or not") {
  const Policy p = network();
  for (const char* origin : {"https://evil.example", "http://localhost:3000", "null"})
    CHECK(status(check_admin(p, request("media.example", origin, kAdmin.reveal()))) == 403);
  CHECK(status(check_admin(p, request("media.example", "https://media.example", kAdmin.reveal()))) == 0);
}

TEST_CASE("without room tokens signalling admits its own, loopback and listed origins only") {
  Policy p = network();
  p.origins = {"https://app.example"};
  const auto asks = [&](const char* origin) {
    return check_room(p, request("media.example", origin),
                      {.route = RouteId::whip, .room = "a", .opened_with = {}});
  };
  CHECK(asks("").has_value());
  CHECK(asks("https://media.example").has_value());
  CHECK(asks("http://localhost:3000").has_value());
  CHECK(asks("https://app.example").has_value());
  CHECK(asks("https://evil.example").error().status == 403);
  CHECK(asks("null").error().status == 403);
}

TEST_CASE("without room tokens only who may administer may take a room over") {
  Policy p = network();
  const RoomRequest want{.route = RouteId::whip, .room = "a", .opened_with = {}};
  CHECK_FALSE(check_room(p, request("media.example"), want)->takeover);
  CHECK(check_room(p, request("media.example", {}, kAdmin.reveal()), want)->takeover);
  CHECK(check_room(Policy{}, request("localhost"), want)->takeover);
  CHECK_FALSE(check_room(Policy{}, request("localhost", "http://localhost:3000"), want)->takeover);
}

TEST_CASE("a room token opens its room for its action, from any origin") {
  Policy p = network();
  p.room_secret = kRooms;
  const auto asks = [&](RouteId route, std::string_view room, const std::string& text) -> unsigned {
    const auto r = check_room(p, request("media.example", "https://any.example", text),
                              {route, room, 500, std::string_view{}});
    return r ? 200 : r.error().status;
  };
  const std::string publish = token("a", {.publish = true});
  CHECK(asks(RouteId::whip, "a", publish) == 200);
  CHECK(asks(RouteId::whip_session, "a", publish) == 200);
  CHECK(asks(RouteId::whip, "b", publish) == 403);
  CHECK(asks(RouteId::whep, "a", publish) == 403);
  CHECK(asks(RouteId::agent, "a", publish) == 403);
  CHECK(asks(RouteId::whep, "a", token("a", {.play = true})) == 200);
  CHECK(asks(RouteId::agent, "echo", token("echo", {.agent = true})) == 200);
  CHECK(asks(RouteId::whip, "a", "") == 401);
  CHECK(asks(RouteId::whip, "a", "nonsense") == 401);
  CHECK(asks(RouteId::whip, "a", std::string(kAdmin.reveal())) == 401);
  CHECK(asks(RouteId::whip, "a", token("a", {.publish = true}, 500)) == 401);
  CHECK(asks(RouteId::whip, "a", control::sign(Secret("other"), {"a", {.publish = true}, 1000})) == 401);
}

TEST_CASE("takeover comes from the room token and from nothing else where tokens are wanted") {
  Policy p;
  p.room_secret = kRooms;
  const RoomRequest want{RouteId::whip, "a", 500, {}};
  CHECK_FALSE(check_room(p, request("localhost", {}, token("a", {.publish = true})), want)->takeover);
  CHECK(check_room(p, request("localhost", {}, token("a", {.publish = true, .takeover = true})), want)
            ->takeover);
}

TEST_CASE("the token that opened a session serves it until the end, another expired one does not") {
  Policy p;
  p.room_secret = kRooms;
  const std::string text = token("a", {.publish = true}, 600);
  const auto opened = check_room(p, request("localhost", {}, text), {RouteId::whip, "a", 500, {}});
  REQUIRE(opened.has_value());
  CHECK(opened->token_digest.size() == 32);
  const auto later = [&](const std::string& with, std::string_view digest) {
    return check_room(p, request("localhost", {}, with), {RouteId::whip_session, "a", 700, digest})
        .has_value();
  };
  CHECK(later(text, opened->token_digest));
  CHECK_FALSE(later(text, ""));
  CHECK_FALSE(later(token("a", {.publish = true}, 601), opened->token_digest));
}

TEST_CASE("what a page may read is exposed to allowed origins") {
  Response r;
  add_cors(request("localhost", "https://app.example"), r);
  CHECK(r.headers.find("Access-Control-Allow-Origin") == "https://app.example");
  const std::string exposed(r.headers.find("Access-Control-Expose-Headers").value_or(""));
  for (const char* name : {"Location", "ETag", "Link"}) CHECK(exposed.find(name) != std::string::npos);
  CHECK(r.headers.find("Vary") == "Origin");
  Response plain;
  add_cors(request("localhost"), plain);
  CHECK_FALSE(plain.headers.find("Access-Control-Allow-Origin").has_value());
}
