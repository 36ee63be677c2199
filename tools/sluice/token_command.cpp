#include <chrono>
#include <cstdio>
#include <optional>

#include <fmt/format.h>

#include "engine/relay/keys.h"
#include "engine/relay/text.h"
#include "net/crypto/random.h"
#include "tools/sluice/commands.h"

namespace sluice {
namespace {

namespace relay = engine::relay;

int64_t unix_now() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::seconds>(now).count();
}

int refuse(std::string_view option, std::string_view what, int status) {
  fmt::print(stderr, "sluice token: --{}: {}\n", option, what);
  return status;
}

/// Reads "@FILE" by `read`; where that fails, says so and leaves the exit status in `status`.
template <class F>
std::optional<control::Secret> take_secret(std::string_view option, const std::string& reference, F read,
                                           int& status) {
  auto file = read(reference);
  if (!file) {
    status = refuse(option, file.error(), reference.starts_with('@') ? 1 : 2);
    return std::nullopt;
  }
  if (!file->warning.empty()) fmt::print(stderr, "sluice token: --{}: {}\n", option, file->warning);
  return std::move(file->secret);
}

}  // namespace

int make_token(const TokenRequest& request) {
  control::RoomToken token;
  token.room = request.room;
  token.rights.takeover = request.takeover;
  for (const auto& right : request.allow) {
    token.rights.publish |= right == "publish";
    token.rights.play |= right == "play";
    token.rights.agent |= right == "agent";
  }
  if (!control::valid_room_name(request.room)) {
    fmt::print(stderr, "sluice token: --room: '{}' is no name; use 1 to 64 of A-Z a-z 0-9 . _ -\n",
               request.room);
    return 2;
  }
  if (request.takeover && !token.rights.publish) {
    fmt::print(stderr, "sluice token: --takeover replaces a publisher; add --allow publish\n");
    return 2;
  }
  int status = 0;
  const auto secret = take_secret("room-secret", request.room_secret, control::read_secret, status);
  if (!secret) return status;
  token.expires = unix_now() + request.ttl_s;
  fmt::print("{}\n", control::sign(*secret, token));
  return 0;
}

int make_ufrags(const UfragRequest& request) {
  const auto server = relay::parse_server_id(request.server);
  if (!server) return refuse("server", server.error(), 2);
  int status = 0;
  const auto route = take_secret("route-key", request.route_key, control::read_secret_file, status);
  if (!route) return status;
  control::Secret ice;
  if (!request.ice_key.empty()) {
    auto read = take_secret("ice-key", request.ice_key, control::read_secret_file, status);
    if (!read) return status;
    ice = std::move(*read);
    if (ice.empty()) return refuse("ice-key", "the file is empty; make one with openssl rand -hex 32", 2);
  }
  const auto keys = relay::fleet_keys(route->reveal(), ice.reveal());
  if (!keys)
    return refuse(keys.error().field == "ice_key" ? "ice-key" : "route-key", keys.error().message, 2);
  const relay::FleetKey& key = keys->front();
  if (!ice.empty() && !key.ice)
    return refuse("ice-key", fmt::format("it has no line for key id {}, which mints; add one", key.id), 2);
  const auto now = static_cast<uint64_t>(unix_now());
  for (unsigned i = 0; i < request.count; ++i) {
    const auto minted = relay::mint(key, *server, now, request.ttl_s, crypto::system_random());
    fmt::print("{}{}{}\n", ice::text(minted.ufrag), minted.password ? " " : "",
               minted.password ? minted.password->text() : std::string_view{});
  }
  return 0;
}

int make_turn_login(const TurnRequest& request) {
  if (!relay::valid_turn_user(request.user))
    return refuse("user",
                  fmt::format("this is not 1 to {} bytes of text without a colon; give another name",
                              relay::kTurnUserBytesMax),
                  2);
  int status = 0;
  const auto secret = take_secret("turn-secret", request.turn_secret, read_turn_secrets, status);
  if (!secret) return status;
  const auto newest = relay::lines_of(secret->reveal()).front().text;
  const auto login =
      relay::turn_credential(newest, request.user, static_cast<uint64_t>(unix_now()) + request.ttl_s);
  fmt::print("{}\n{}\n", login.username, login.password);
  return 0;
}

}  // namespace sluice
