// Targets, routes, entity tags, heads and the console's files.
#include <filesystem>
#include <fstream>
#include <set>

#include <doctest/doctest.h>

#include "engine/control/http/etag.h"
#include "engine/control/http/router.h"
#include "engine/control/http/static.h"
#include "engine/control/http/target.h"
#include "tests/support/temp_folder.h"

using namespace sluice::http;

namespace {

using Segments = std::vector<std::string>;

Request with_if_match(std::initializer_list<const char*> values) {
  Request r;
  for (const char* v : values) r.headers.add("If-Match", v);
  return r;
}

RouteId route_of(const char* path) { return match(*parse_target(path)).route->id; }

}  // namespace

TEST_CASE("targets are split and decoded") {
  CHECK(parse_target("/")->segments.empty());
  CHECK(parse_target("/whip/a%20b/")->segments == Segments{"whip", "a b"});
  const auto t = parse_target("/whip/a?takeover=1&x&y=%26");
  REQUIRE(t.has_value());
  CHECK(t->param("takeover") == "1");
  CHECK(t->param("x") == "");
  CHECK(t->param("y") == "&");
  CHECK_FALSE(t->param("z").has_value());
}

TEST_CASE("targets that lead astray are refused") {
  for (const char* bad : {"",       "whip", "*",       "http://a/", "//",
                          "/a//b",  "/..",  "/a/../b", "/%2e%2e",   "/a%2fb",
                          "/a%5cb", "/%",   "/%4",     "/%zz",      "/a%00b",
                          "/a\nb",  "/a#b", "/?%zz",   "/.",        "/1/2/3/4/5/6/7/8/9/a/b/c/d/e/f/g/h"})
    CHECK_MESSAGE(!parse_target(bad).has_value(), std::string(bad));
}

TEST_CASE("paths find their routes") {
  CHECK(route_of("/whip/a") == RouteId::whip);
  CHECK(route_of("/whip/a/0123") == RouteId::whip_session);
  CHECK(route_of("/whep/a") == RouteId::whep);
  CHECK(route_of("/agent/echo") == RouteId::agent);
  CHECK(route_of("/v1/sessions") == RouteId::v1_sessions);
  CHECK(route_of("/v1/sessions/7") == RouteId::v1_session);
  CHECK(route_of("/v1/openapi.json") == RouteId::v1_openapi);
  CHECK(route_of("/") == RouteId::console);
  CHECK(route_of("/js/plot.js") == RouteId::console);
  for (const char* nothing : {"/whip", "/whip/a/b/c", "/v1", "/v1/secrets", "/v1/sessions/7/8", "/agent"})
    CHECK_MESSAGE(match(*parse_target(nothing)).route == nullptr, std::string(nothing));
  CHECK(match(*parse_target("/whip/room/id")).params == Segments{"room", "id"});
}

TEST_CASE("Allow lists what a route takes") {
  CHECK(allow_text(Methods{.get = true}) == "GET, HEAD, OPTIONS");
  CHECK(allow_text(Methods{.patch = true, .del = true}) == "PATCH, DELETE, OPTIONS");
  CHECK(allows(Methods{.get = true}, Method::head));
  CHECK_FALSE(allows(Methods{.get = true}, Method::post));
  CHECK_FALSE(allows(Methods{.get = true, .post = true, .patch = true, .del = true}, Method::other));
  CHECK(method_of("PATCH") == Method::patch);
  CHECK(method_of("get") == Method::other);
}

TEST_CASE("If-Match names the present ICE session, or any") {
  CHECK(ice_etag(7) == "\"ice-7\"");
  CHECK(*if_match(with_if_match({"\"ice-7\""}), 7) == 7);
  CHECK(*if_match(with_if_match({"\"other\" , \"ice-7\""}), 7) == 7);
  CHECK(*if_match(with_if_match({"*"}), 7) == kAnyGeneration);
  CHECK(if_match(with_if_match({}), 7).error().status == 428);
  for (const char* stale : {"\"ice-6\"", "W/\"ice-7\"", "\"ice-77\"", "\"\""})
    CHECK_MESSAGE(if_match(with_if_match({stale}), 7).error().status == 412, std::string(stale));
  for (const char* broken : {"ice-7", "", "\"ice-7", "\"a\",", "\"a\" \"b\"", "*, \"a\""})
    CHECK_MESSAGE(if_match(with_if_match({broken}), 7).error().status == 400, std::string(broken));
  CHECK(if_match(with_if_match({"*", "*"}), 7).error().status == 400);
}

TEST_CASE("If-None-Match compares weakly") {
  CHECK(none_match_hits("\"a\", W/\"b\"", "\"b\""));
  CHECK(none_match_hits("*", "\"b\""));
  CHECK_FALSE(none_match_hits("\"a\"", "\"b\""));
  CHECK_FALSE(none_match_hits("nonsense", "\"b\""));
}

TEST_CASE("a head has a length exactly where a body may follow, and no smuggled line") {
  Response r;
  r.headers.add("X", "a\r\nSet-Cookie: b");
  const std::string head = serialize_head(r, 5, true);
  CHECK(head.starts_with("HTTP/1.1 200 OK\r\nX: a\r\nContent-Length: 5\r\nDate: "));
  CHECK(head.find("Set-Cookie") == std::string::npos);
  CHECK(head.ends_with("\r\n\r\n"));
  r.status = 204;
  CHECK(serialize_head(r, 0, true).find("Content-Length") == std::string::npos);
  CHECK(serialize_head(r, std::nullopt, false).find("Connection: close\r\n") != std::string::npos);
}

TEST_CASE("problems say what is wrong, where, and what to do") {
  const Response r = problem({503, "offer.m[0]", "It is \"full\".", "Wait."});
  CHECK(r.status == 503);
  CHECK(r.headers.find("Content-Type") == "application/problem+json");
  CHECK(r.headers.find("Retry-After").has_value());
  CHECK(
      r.body ==
      R"({"title":"Service Unavailable","status":503,"detail":"It is \"full\".","error":{"field":"offer.m[0]",)"
      R"("message":"It is \"full\".","fix":"Wait."}})");
  CHECK(problem({401, "", "", ""}).headers.find("WWW-Authenticate").has_value());
}

TEST_CASE("embedded files are served with type, tag and a strict policy") {
  const StaticFile files[] = {{"index.html", "text/html", "\"1\"", "<p>"},
                              {"js/a.js", "text/javascript", "\"2\"", "a"}};
  const StaticFiles server{std::span<const StaticFile>(files)};
  const Response index = server.serve(*parse_target("/"), {});
  CHECK(index.status == 200);
  CHECK(index.body == "<p>");
  CHECK(index.headers.find("ETag") == "\"1\"");
  const auto policy = index.headers.find("Content-Security-Policy");
  REQUIRE(policy.has_value());
  CHECK(policy->find("default-src 'none'") != std::string_view::npos);
  CHECK(policy->find("unsafe") == std::string_view::npos);
  CHECK(server.serve(*parse_target("/js/a.js"), {}).body == "a");
  CHECK(server.serve(*parse_target("/js/b.js"), {}).status == 404);
  Request again;
  again.headers.add("If-None-Match", "\"2\"");
  const Response unchanged = server.serve(*parse_target("/js/a.js"), again);
  CHECK(unchanged.status == 304);
  CHECK(unchanged.body.empty());
}

TEST_CASE("a folder is served without what links lead out of it") {
  const sluice::test::TempFolder folder;
  const std::filesystem::path& root = folder.path();
  std::filesystem::create_directory(root / "www");
  std::ofstream(root / "outside.txt") << "secret";
  std::ofstream(root / "www" / "index.html") << "<p>";
  std::filesystem::create_symlink(root / "outside.txt", root / "www" / "link.txt");
  const StaticFiles server(root / "www");
  CHECK(server.serve(*parse_target("/"), {}).body == "<p>");
  CHECK(server.serve(*parse_target("/link.txt"), {}).status == 404);
  CHECK(server.serve(*parse_target("/none.txt"), {}).status == 404);
}
