#include <chrono>
#include <cstdio>

#include <fmt/format.h>

#include "tools/sluice/commands.h"

namespace sluice {

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
  const auto secret = control::read_secret(request.room_secret);
  if (!secret) {
    fmt::print(stderr, "sluice token: --room-secret: {}\n", secret.error());
    return request.room_secret.starts_with('@') ? 1 : 2;
  }
  if (!secret->warning.empty()) fmt::print(stderr, "sluice token: {}\n", secret->warning);
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  token.expires = std::chrono::duration_cast<std::chrono::seconds>(now).count() + request.ttl_s;
  fmt::print("{}\n", control::sign(secret->secret, token));
  return 0;
}

}  // namespace sluice
