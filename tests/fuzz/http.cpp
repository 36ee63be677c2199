// Arbitrary requests through router, rights and handlers to a real engine.
// Input: one byte of flags, then "METHOD TARGET\n", header lines "Name: value\n", an empty line, the body.
#include <cstdint>
#include <string_view>

#include <spdlog/spdlog.h>

#include "engine/control/http/service.h"
#include "engine/control/http/v1.h"
#include "tests/support/require.h"
#include "tests/unit/control/open_engine.h"

using namespace sluice;
using namespace sluice::http;

namespace {

enum Flags : uint8_t { kRoomTokens = 1, kAdminToken = 2, kNetwork = 4 };

sluice_engine* engine() {
  static sluice_engine* const one = [] {
    spdlog::set_level(spdlog::level::off);
    sluice_error error;
    sluice_engine* const e = test::open_engine(16, error, [](sluice_config& c) {
      c.max_routes = 64;
      c.turn_secret = "0123456789abcdef";
    });
    require(e != nullptr);
    return e;
  }();
  return one;
}

std::string_view take_line(std::string_view& text) {
  const size_t end = text.find('\n');
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return line;
}

Request parse(std::string_view text) {
  Request r;
  const std::string_view first = take_line(text);
  const size_t space = first.find(' ');
  r.method = method_of(first.substr(0, space));
  if (space != std::string_view::npos) r.target = std::string(first.substr(space + 1));
  while (!text.empty()) {
    const std::string_view line = take_line(text);
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) break;
    r.headers.add(std::string(line.substr(0, colon)), std::string(trim(line.substr(colon + 1))));
  }
  r.body = std::string(text);
  r.local = *parse_endpoint("127.0.0.1:8080");
  r.remote = *parse_endpoint("192.0.2.1:5000");
  return r;
}

ServiceOptions options(uint8_t flags) {
  ServiceOptions o;
  o.policy.loopback_only = (flags & kNetwork) == 0;
  if (flags & kRoomTokens) o.policy.room_secret = control::Secret("room-secret");
  if (flags & kAdminToken) o.policy.admin_token = control::Secret("admin-token");
  o.wall_clock_s = [] { return int64_t{1000}; };
  return o;
}

/// Ends what the input opened, so that each input meets the same engine, but for routes, of which few fit.
void hang_up_all() {
  sluice_session ids[16];
  const size_t n = sluice_sessions(engine(), ids, 16);
  for (size_t i = 0; i < n && i < 16; ++i) sluice_hangup(engine(), ids[i], nullptr);
  sluice_server_stats servers[64] = {};
  servers[0].size = sizeof servers[0];
  const size_t known = sluice_servers(engine(), servers, 64);
  for (size_t i = 0; i < known && i < 64; ++i) sluice_remove_server(engine(), servers[i].id, nullptr);
  sluice_event events[64];
  while (sluice_poll_events(engine(), events, 64) > 0) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  Service service(engine(), options(data[0]));
  const Request request = parse({reinterpret_cast<const char*>(data + 1), size - 1});
  const Response response = service.handle(request);
  require(response.status >= 200 && response.status < 600);
  require(response.headers.count("Content-Type") <= 1);
  // Everything is refused with a reason, and a head never has more lines than headers.
  if (response.status >= 400) require(response.body.starts_with("{\"title\":"));
  const std::string head = serialize_head(response, response.body.size(), true);
  size_t lines = 0;
  for (size_t at = head.find("\r\n"); at != std::string::npos; at = head.find("\r\n", at + 2)) ++lines;
  require(lines <= response.headers.all().size() + 4);
  // Without a valid room token nothing is opened where tokens are wanted.
  if ((data[0] & kRoomTokens) && response.status == 201) require(request.headers.count("Authorization") == 1);
  hang_up_all();
  return 0;
}
