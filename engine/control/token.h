// Room tokens: who may publish into, play from or talk to what, until when. "v1.PAYLOAD.MAC", both base64url
// without padding (RFC 4648 §5); PAYLOAD is "RIGHTS.EXPIRY.ROOM", MAC is HMAC-SHA256 over a fixed label and
// it.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

#include "engine/control/secret.h"

namespace sluice::control {

struct Rights {
  bool publish = false, play = false, agent = false;
  bool takeover = false;  ///< may replace the room's publisher

  bool operator==(const Rights&) const = default;
};

struct RoomToken {
  std::string room;  ///< room, or the agent's name: 1..64 of A-Z a-z 0-9 . _ -
  Rights rights;
  int64_t expires = 0;  ///< seconds since 1970, UTC; the first second at which it is void

  bool operator==(const RoomToken&) const = default;
};

enum class TokenError : unsigned char { malformed, forged, expired };

/// Empty if the room's name is not valid or no right is given.
std::string sign(const Secret& key, const RoomToken& token);
/// The MAC is compared in constant time and before anything in the payload is believed.
std::expected<RoomToken, TokenError> verify(const Secret& key, std::string_view text, int64_t now_s);

bool valid_room_name(std::string_view name);

std::string base64url(std::string_view bytes);
/// Canonical encodings only: no padding, no stray bits.
std::expected<std::string, TokenError> from_base64url(std::string_view text);

}  // namespace sluice::control
