// Whole requests through router, rights and handlers to a real engine.
#include "engine/control/http/service.h"

#include <cmath>

#include <boost/json.hpp>
#include <doctest/doctest.h>

#include "engine/control/http/etag.h"
#include "engine/control/http/v1.h"
#include "tests/unit/control/live_engine.h"

using namespace sluice;
using namespace sluice::http;
using control::Secret;
using test::LiveEngine;
namespace json = boost::json;

namespace {

const Secret kRooms("room-secret-of-the-tests");
constexpr std::string_view kSdp = "application/sdp";
constexpr std::string_view kFragment = "application/trickle-ice-sdpfrag";
// Of the offer that test::publisher_offer() reads.
constexpr const char* kCandidate =
    "a=ice-ufrag:gC8C\r\na=ice-pwd:AFoLTN4r6UxEdJ9zY/+bSF/s\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n"
    "a=candidate:1 1 udp 2130706431 192.0.2.5 5000 typ host\r\n";
constexpr const char* kRestart =
    "a=ice-ufrag:n3wU\r\na=ice-pwd:anotherPasswordOf24Chars\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n";

struct Ask {
  std::string_view method, target;
  std::string_view type = {};
  std::string body = {};
  std::vector<std::pair<std::string, std::string>> headers = {};
};

struct Fixture {
  explicit Fixture(ServiceOptions options = {}) : service(engine.get(), std::move(options)) {}

  Response ask(const Ask& a) {
    Request r;
    r.method = method_of(a.method);
    r.target = std::string(a.target);
    r.headers.add("Host", "localhost:8080");
    if (!a.type.empty()) r.headers.add("Content-Type", std::string(a.type));
    for (const auto& [name, value] : a.headers) r.headers.add(name, value);
    r.body = a.body;
    r.local = *parse_endpoint("127.0.0.1:8080");
    r.remote = *parse_endpoint("127.0.0.1:5000");
    return service.handle(r);
  }
  Response post(std::string_view target, const std::string& sdp) { return ask({"POST", target, kSdp, sdp}); }

  LiveEngine engine;
  Service service;
};

std::string header(const Response& r, std::string_view name) {
  return std::string(r.headers.find(name).value_or(""));
}

json::object object(const Response& r) {
  const json::value v = json::parse(r.body);
  return v.get_object();
}

std::string session_of(const Response& r) { return header(r, "Sluice-Session"); }

ServiceOptions with_rooms() {
  ServiceOptions o;
  o.policy.room_secret = kRooms;
  o.wall_clock_s = [] { return int64_t{500}; };
  return o;
}

std::pair<std::string, std::string> bearer(std::string room, control::Rights rights) {
  return {"Authorization", "Bearer " + control::sign(kRooms, {std::move(room), rights, 1000})};
}

}  // namespace

TEST_CASE("an offer is answered with a resource that names its ICE session") {
  Fixture f;
  const Response r = f.post("/whip/stage", test::publisher_offer());
  REQUIRE(r.status == 201);
  CHECK(header(r, "Content-Type") == kSdp);
  CHECK(header(r, "Location").starts_with("/whip/stage/"));
  CHECK(header(r, "Location").size() == std::string("/whip/stage/").size() + 32);
  CHECK(header(r, "ETag").starts_with("\"ice-"));
  CHECK(header(r, "Accept-Patch") == kFragment);
  CHECK(r.body.starts_with("v=0\r\n"));
  const json::object session = object(f.ask({"GET", "/v1/sessions/" + session_of(r)}));
  CHECK(session.at("role") == "publish");
  CHECK(session.at("name") == "stage");
  CHECK(session.at("state") == "new");
}

TEST_CASE("agents and players are answered too, and what does not exist is said") {
  Fixture f;
  CHECK(f.post("/agent/echo", test::agent_offer()).status == 201);
  CHECK(f.post("/whep/stage", test::player_offer()).status == 201);
  const Response r = f.post("/agent/nobody", test::agent_offer());
  CHECK(r.status == 404);
  CHECK_FALSE(object(r).at("error").at("message").get_string().empty());
}

TEST_CASE("bodies are checked before anything is opened") {
  Fixture f;
  const std::string sdp = test::publisher_offer();
  for (const char* type : {"", "text/plain", "application/sdp; charset=utf-8", "application/json"})
    CHECK(f.ask({"POST", "/whip/a", type, sdp}).status == 415);
  CHECK(f.ask({"POST", "/whip/a", "Application/SDP", sdp}).status == 201);
  CHECK(f.post("/whip/b", sdp + std::string(65536, ' ')).status == 413);
  for (const char* bad : {"", "v=0", "nonsense", "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"}) {
    const Response r = f.post("/whip/b", bad);
    CHECK((r.status == 400 || r.status == 406));
    CHECK(header(r, "Content-Type") == "application/problem+json");
  }
  CHECK(f.post("/whip/a%20b", sdp).status == 400);
  CHECK(object(f.ask({"GET", "/v1/sessions"})).at("total") == 1);
}

TEST_CASE("a second publisher is refused unless somebody who may asks to take over") {
  Fixture f;
  REQUIRE(f.post("/whip/a", test::publisher_offer()).status == 201);
  CHECK(f.post("/whip/a", test::publisher_offer()).status == 409);
  CHECK(f.post("/whip/a?takeover=0", test::publisher_offer()).status == 409);
  CHECK(f.post("/whip/a?takeover=yes", test::publisher_offer()).status == 400);
  const Response foreign = f.ask(
      {"POST", "/whip/a?takeover=1", kSdp, test::publisher_offer(), {{"Origin", "http://localhost:3000"}}});
  CHECK(foreign.status == 403);
  CHECK(f.post("/whip/a?takeover=1", test::publisher_offer()).status == 201);
}

TEST_CASE("candidates and restarts want the entity tag of the session they are about") {
  Fixture f;
  const Response opened = f.post("/whip/a", test::publisher_offer());
  REQUIRE(opened.status == 201);
  const std::string resource = header(opened, "Location");
  const std::string tag = header(opened, "ETag");
  const auto patch = [&](const std::string& body, const std::string& match) {
    Ask a{"PATCH", resource, kFragment, body};
    if (!match.empty()) a.headers = {{"If-Match", match}};
    return f.ask(a);
  };
  CHECK(patch(kCandidate, "").status == 428);
  CHECK(patch(kCandidate, "\"ice-999\"").status == 412);
  CHECK(patch(kCandidate, tag).status == 204);
  CHECK(f.ask({"PATCH", resource, kSdp, kCandidate, {{"If-Match", tag}}}).status == 415);
  const Response restarted = patch(kRestart, "*");
  REQUIRE(restarted.status == 200);
  CHECK(header(restarted, "Content-Type") == kFragment);
  CHECK(header(restarted, "ETag") != tag);
  CHECK(restarted.body.find("a=ice-ufrag:") != std::string::npos);
  CHECK(patch(kCandidate, tag).status == 412);
}

TEST_CASE("a session ends once, under the path it was made with only") {
  Fixture f;
  const Response opened = f.post("/whip/a", test::publisher_offer());
  REQUIRE(opened.status == 201);
  const std::string resource = header(opened, "Location");
  const std::string id = resource.substr(resource.rfind('/') + 1);
  CHECK(f.ask({"DELETE", "/whep/a/" + id}).status == 404);
  CHECK(f.ask({"DELETE", "/whip/b/" + id}).status == 404);
  CHECK(f.ask({"DELETE", "/whip/a/" + std::string(32, '0')}).status == 404);
  CHECK(f.ask({"DELETE", resource}).status == 200);
  CHECK(f.ask({"DELETE", resource}).status == 404);
  CHECK(f.engine.pump(SLUICE_EVENT_CLOSED, [&](const sluice_event& e) { f.service.on_engine_event(e); }));
  CHECK(f.post("/whip/a", test::publisher_offer()).status == 201);
}

TEST_CASE("a session that an operator hangs up loses its resource") {
  Fixture f;
  const Response opened = f.post("/whip/a", test::publisher_offer());
  REQUIRE(opened.status == 201);
  CHECK(f.ask({"DELETE", "/v1/sessions/" + session_of(opened)}).status == 200);
  CHECK(f.engine.pump(SLUICE_EVENT_CLOSED, [&](const sluice_event& e) { f.service.on_engine_event(e); }));
  CHECK(f.ask({"DELETE", header(opened, "Location")}).status == 404);
  CHECK(f.ask({"DELETE", "/v1/sessions/" + session_of(opened)}).status == 404);
}

TEST_CASE("room tokens are wanted for opening, changing and ending, and allow takeover") {
  Fixture f(with_rooms());
  const std::string sdp = test::publisher_offer();
  const auto publish = bearer("a", {.publish = true});
  CHECK(f.post("/whip/a", sdp).status == 401);
  CHECK(f.ask({"POST", "/whip/b", kSdp, sdp, {publish}}).status == 403);
  const Response opened = f.ask({"POST", "/whip/a", kSdp, sdp, {publish, {"Origin", "https://any.example"}}});
  REQUIRE(opened.status == 201);
  CHECK(header(opened, "Access-Control-Allow-Origin") == "https://any.example");
  CHECK(header(opened, "Access-Control-Expose-Headers").find("Location") != std::string::npos);
  CHECK(f.ask({"POST", "/whip/a", kSdp, sdp, {publish}}).status == 409);
  CHECK(f.ask({"POST", "/whip/a?takeover=1", kSdp, sdp, {publish}}).status == 403);
  const std::string resource = header(opened, "Location");
  CHECK(f.ask({"DELETE", resource}).status == 401);
  CHECK(f.ask({"DELETE", resource, {}, {}, {bearer("a", {.play = true})}}).status == 403);
  CHECK(f.ask({"PATCH", resource, kFragment, kCandidate, {{"If-Match", "*"}}}).status == 401);
  CHECK(f.ask({"DELETE", resource, {}, {}, {publish}}).status == 200);
  CHECK(f.ask({"POST", "/whip/a", kSdp, sdp, {publish}}).status == 201);
  CHECK(f.ask({"POST", "/whip/a", kSdp, sdp, {bearer("a", {.publish = true, .takeover = true})}}).status ==
        201);
}

TEST_CASE("whether a resource exists is told to nobody without a token") {
  Fixture f(with_rooms());
  CHECK(f.ask({"DELETE", "/whip/a/" + std::string(32, '0')}).status == 401);
}

TEST_CASE("preflight requests need no token and say what may be sent") {
  Fixture f(with_rooms());
  const std::vector<std::pair<std::string, std::string>> headers{{"Origin", "https://any.example"},
                                                                 {"Access-Control-Request-Method", "POST"}};
  const Response r = f.ask({"OPTIONS", "/whip/a", {}, {}, headers});
  CHECK(r.status == 204);
  CHECK(header(r, "Accept-Post") == kSdp);
  CHECK(header(r, "Access-Control-Allow-Origin") == "https://any.example");
  CHECK(header(r, "Access-Control-Allow-Methods").find("POST") != std::string::npos);
  CHECK(header(r, "Access-Control-Allow-Headers").find("Authorization") != std::string::npos);
  const Response resource = f.ask({"OPTIONS", "/whip/a/" + std::string(32, '0'), {}, {}, headers});
  CHECK(header(resource, "Access-Control-Allow-Methods").find("PATCH") != std::string::npos);
}

TEST_CASE("foreign origins get no CORS headers where they are not admitted") {
  Fixture f;
  const std::vector<std::pair<std::string, std::string>> foreign{{"Origin", "https://evil.example"}};
  for (const Ask& a :
       {Ask{"OPTIONS", "/whip/a", {}, {}, foreign}, Ask{"POST", "/whip/a", kSdp, "", foreign},
        Ask{"GET", "/v1/sessions", {}, {}, foreign}, Ask{"OPTIONS", "/v1/sessions", {}, {}, foreign},
        Ask{"DELETE", "/v1/sessions/1", {}, {}, foreign}, Ask{"POST", "/v1/drain", {}, {}, foreign},
        Ask{"GET", "/metrics", {}, {}, foreign}}) {
    const Response r = f.ask(a);
    CHECK_MESSAGE(r.status == 403, std::string(a.target));
    CHECK(header(r, "Access-Control-Allow-Origin").empty());
  }
}

TEST_CASE("other methods are refused with what is allowed") {
  Fixture f;
  const std::pair<Ask, const char*> cases[] = {{{"GET", "/whip/a"}, "POST, OPTIONS"},
                                               {{"PUT", "/whip/a"}, "POST, OPTIONS"},
                                               {{"POST", "/whip/a/1"}, "PATCH, DELETE, OPTIONS"},
                                               {{"POST", "/v1/sessions"}, "GET, HEAD, OPTIONS"},
                                               {{"PATCH", "/v1/sessions/1"}, "GET, HEAD, DELETE, OPTIONS"},
                                               {{"DELETE", "/"}, "GET, HEAD, OPTIONS"},
                                               {{"BREW", "/healthz"}, "GET, HEAD, OPTIONS"}};
  for (const auto& [a, allow] : cases) {
    const Response r = f.ask(a);
    CHECK_MESSAGE(r.status == 405, std::string(a.target));
    CHECK(header(r, "Allow") == allow);
  }
}

TEST_CASE("a wrong Host reaches nothing") {
  Fixture f;
  for (const char* target : {"/", "/healthz", "/v1/sessions", "/whip/a", "/metrics"}) {
    Request r;
    r.method = Method::get;
    r.target = target;
    r.headers.add("Host", "evil.example");
    CHECK(f.service.handle(r).status == 421);
  }
}

TEST_CASE("unknown paths and broken targets are told apart") {
  Fixture f;
  CHECK(f.ask({"GET", "/v1/unknown"}).status == 404);
  CHECK(f.ask({"GET", "/../etc/passwd"}).status == 400);
  CHECK(f.ask({"GET", "/nothing.js"}).status == 404);
  for (const char* id : {"0", "x", "-1", "1x", "99999999999999999999999"})
    CHECK(f.ask({"GET", std::string("/v1/sessions/") + id}).status == 404);
}

TEST_CASE("/v1 lists sessions newest first, bounded") {
  Fixture f;
  REQUIRE(f.post("/whip/a", test::publisher_offer()).status == 201);
  const Response second = f.post("/whep/a", test::player_offer());
  REQUIRE(second.status == 201);
  const json::object all = object(f.ask({"GET", "/v1/sessions"}));
  CHECK(all.at("total") == 2);
  CHECK(all.at("sessions").get_array().size() == 2);
  CHECK(all.at("sessions").get_array()[0].at("id") == session_of(second).c_str());
  CHECK(object(f.ask({"GET", "/v1/sessions?limit=1"})).at("sessions").get_array().size() == 1);
  for (const char* bad : {"0", "x", "65537", ""})
    CHECK(f.ask({"GET", std::string("/v1/sessions?limit=") + bad}).status == 400);
}

TEST_CASE("a room is listed once somebody is connected to it") {
  Fixture f;
  REQUIRE(f.post("/whip/a", test::publisher_offer()).status == 201);
  CHECK(object(f.ask({"GET", "/v1/rooms"})).at("rooms").get_array().empty());
  sluice_room_stats room{sizeof(sluice_room_stats), "stage", 7, 3};
  CHECK(room_json(room) == R"({"name":"stage","publisher":"7","subscribers":3})");
  room.publisher = 0;
  CHECK(room_json(room) == R"({"name":"stage","publisher":null,"subscribers":3})");
}

TEST_CASE("a session's figures carry their units, and what is not known is null") {
  sluice_session_stats s{};
  s.session = UINT64_MAX;
  s.state = SLUICE_CONNECTED;
  s.rtt_ms = NAN;
  s.offered_us = 1'000'000;
  s.first_check_us = 1'012'345;
  s.drops[1] = 5;
  s.track_count = 1;
  s.track[0].fraction_lost = 0.02;
  s.track[0].audio_level_dbov = NAN;
  const json::value v = json::parse(session_json(s, 3'500'000));
  CHECK(v.at("id") == "18446744073709551615");
  CHECK(v.at("age_ms").to_number<double>() == 2500);
  CHECK(v.at("rtt_ms").is_null());
  CHECK(v.at("remote").is_null());
  CHECK(v.at("setup_ms").at("first_check").to_number<double>() == 12.345);
  CHECK(v.at("setup_ms").at("dtls_done").is_null());
  CHECK(v.at("drops").get_object().size() == 1);
  CHECK(v.at("drops").at(sluice_drop_name(1)) == 5);
  const json::value& t = v.at("tracks").get_array()[0];
  CHECK(t.at("direction") == "in");
  CHECK(t.at("fraction_lost").to_number<double>() == 0.02);
  CHECK(t.at("level_dbov").is_null());
  CHECK_FALSE(v.get_object().contains("close_reason"));
  s.state = SLUICE_CLOSED;
  s.reason = SLUICE_CLOSE_CONSENT;
  CHECK(json::parse(session_json(s, 0)).at("close_reason") == "consent");
}

TEST_CASE("every member that is served is described, and the other way round") {
  Fixture f;
  REQUIRE(f.post("/whip/a", test::publisher_offer()).status == 201);
  const json::object document = object(f.ask({"GET", "/v1/openapi.json"}));
  const auto described = [&](const char* schema) -> const json::object& {
    return document.at("components").at("schemas").at(schema).at("properties").get_object();
  };
  const auto compare = [&](const json::object& served, const char* schema, const char* absent) {
    for (const auto& item : served)
      CHECK_MESSAGE(described(schema).contains(item.key()), std::string(item.key()));
    for (const auto& item : described(schema))
      CHECK_MESSAGE((served.contains(item.key()) || item.key() == absent), std::string(item.key()));
  };
  compare(object(f.ask({"GET", "/v1/engine"})), "Engine", "");
  compare(object(f.ask({"GET", "/v1/shards"})).at("shards").get_array()[0].get_object(), "Shard", "");
  sluice_session_stats s{};
  s.track_count = 1;
  const json::value session = json::parse(session_json(s, 0));
  compare(session.get_object(), "Session", "close_reason");
  compare(session.at("tracks").get_array()[0].get_object(), "Track", "");
}

TEST_CASE("engine and shards are described") {
  Fixture f;
  const json::object engine = object(f.ask({"GET", "/v1/engine"}));
  CHECK(engine.at("io") == "mmsg");
  CHECK(engine.at("udp").get_array().size() == 1);
  CHECK(engine.at("fingerprint").get_string().starts_with("sha-256 "));
  CHECK(engine.at("drop_reasons").get_object().contains("srtp_auth"));
  const json::object shards = object(f.ask({"GET", "/v1/shards"}));
  REQUIRE(shards.at("shards").get_array().size() == 1);
  CHECK(shards.at("shards").get_array()[0].at("io") == "mmsg");
}

TEST_CASE("listeners hear of sessions") {
  Fixture f;
  CHECK(f.ask({"GET", "/v1/events"}).event_stream);
  CHECK_FALSE(f.ask({"HEAD", "/v1/events"}).event_stream);
  const auto queue = f.service.events().subscribe();
  const Response opened = f.post("/whip/a", test::publisher_offer());
  REQUIRE(f.ask({"DELETE", header(opened, "Location")}).status == 200);
  REQUIRE(f.engine.pump(SLUICE_EVENT_CLOSED, [&](const sluice_event& e) { f.service.on_engine_event(e); }));
  const std::string heard = queue->take();
  CHECK(heard.find("\"type\":\"created\",\"session\":\"" + session_of(opened) + "\"") != std::string::npos);
  CHECK(heard.find("\"reason\":\"hangup\"") != std::string::npos);
}

TEST_CASE("draining refuses new sessions and readiness, and keeps the rest") {
  int drained = 0;
  ServiceOptions o;
  o.drain = [&] { ++drained; };
  Fixture f(std::move(o));
  const Response opened = f.post("/whip/a", test::publisher_offer());
  CHECK(f.ask({"GET", "/readyz"}).status == 200);
  CHECK(f.ask({"POST", "/v1/drain"}).status == 202);
  CHECK(drained == 1);
  f.service.set_draining();
  sluice_drain(f.engine.get(), 10'000);
  const Response refused = f.post("/whip/b", test::publisher_offer());
  CHECK(refused.status == 503);
  CHECK_FALSE(header(refused, "Retry-After").empty());
  CHECK(f.ask({"GET", "/readyz"}).status == 503);
  CHECK(f.ask({"GET", "/healthz"}).status == 200);
  CHECK(f.ask({"DELETE", header(opened, "Location")}).status == 200);
}

TEST_CASE("every answer forbids sniffing and says how long it may be kept") {
  Fixture f;
  for (const char* target : {"/healthz", "/v1/engine", "/nothing", "/%"}) {
    const Response r = f.ask({"GET", target});
    CHECK(header(r, "X-Content-Type-Options") == "nosniff");
    CHECK_FALSE(header(r, "Cache-Control").empty());
  }
}
