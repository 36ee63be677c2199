#include "engine/control/http/etag.h"

#include <vector>

#include <fmt/format.h>

namespace sluice::http {
namespace {

constexpr std::string_view kPrefix = "ice-";

struct Tag {
  std::string_view opaque;  ///< between the quotes
  bool weak = false;
};

/// entity-tag *( "," entity-tag ), RFC 9110 §8.8.3; nullopt if it is anything else.
std::optional<std::vector<Tag>> parse_tags(std::string_view text) {
  std::vector<Tag> out;
  while (true) {
    text = trim(text);
    Tag tag;
    if (text.starts_with("W/")) {
      tag.weak = true;
      text.remove_prefix(2);
    }
    if (!text.starts_with('"')) return std::nullopt;
    const size_t end = text.find('"', 1);
    if (end == std::string_view::npos || out.size() == 16) return std::nullopt;
    tag.opaque = text.substr(1, end - 1);
    out.push_back(tag);
    text = trim(text.substr(end + 1));
    if (text.empty()) return out;
    if (text.front() != ',') return std::nullopt;
    text.remove_prefix(1);
  }
}

}  // namespace

std::string ice_etag(uint32_t generation) { return fmt::format("\"{}{}\"", kPrefix, generation); }

std::expected<uint32_t, Problem> if_match(const Request& request, uint32_t current) {
  const size_t count = request.headers.count("If-Match");
  if (count == 0)
    return std::unexpected(Problem{428, "If-Match", "A PATCH names the ICE session that it is about.",
                                   "Send If-Match with the last ETag, or with * to restart ICE."});
  const std::string_view value = *request.headers.find("If-Match");
  if (value == "*" && count == 1) return kAnyGeneration;
  const auto tags = parse_tags(value);
  if (!tags || count != 1)
    return std::unexpected(Problem{400, "If-Match", "If-Match is neither * nor a list of entity tags.",
                                   "Send the ETag as it came, with its quotes."});
  const std::string wanted = ice_etag(current);
  const std::string_view opaque = std::string_view(wanted).substr(1, wanted.size() - 2);
  // RFC 9110 §13.1.1: strong comparison.
  for (const Tag& tag : *tags)
    if (!tag.weak && tag.opaque == opaque) return current;
  return std::unexpected(Problem{412, "If-Match", "The ICE session that this names is over.",
                                 "Use the ETag of the last answer or restart."});
}

bool none_match_hits(std::string_view header, std::string_view etag) {
  if (trim(header) == "*") return true;
  const auto tags = parse_tags(header);
  if (!tags || etag.size() < 2) return false;
  for (const Tag& tag : *tags)
    if (tag.opaque == etag.substr(1, etag.size() - 2)) return true;
  return false;
}

}  // namespace sluice::http
