// Entity tags of WHIP sessions name the ICE generation (RFC 9725 §4.3.1); If-Match per RFC 9110 §13.1.1.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "engine/control/http/message.h"

namespace sluice::http {

/// Strong: `"ice-7"`.
std::string ice_etag(uint32_t generation);

inline constexpr uint32_t kAnyGeneration = UINT32_MAX;  ///< If-Match: *

/// The generation that a PATCH names, kAnyGeneration for "*". 428 without If-Match, 412 for weak, foreign or
/// stale tags (of a list, any that equals `current` will do), 400 for what is no If-Match.
std::expected<uint32_t, Problem> if_match(const Request& request, uint32_t current);

/// If-None-Match for static files: true if one of the tags equals `etag` weakly, or "*".
bool none_match_hits(std::string_view header, std::string_view etag);

}  // namespace sluice::http
