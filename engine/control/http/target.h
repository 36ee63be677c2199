// Request targets: path segments and query, percent-decoded, with no way out of the tree.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sluice::http {

struct Target {
  std::vector<std::string> segments;  ///< "/whip/a%20b" -> {"whip", "a b"}; "/" -> {}
  std::vector<std::pair<std::string, std::string>> query;

  std::optional<std::string_view> param(std::string_view name) const;
  std::string path() const;  ///< "/whip/a b"
};

/// Origin-form only (RFC 9112 §3.2.1). nullopt: no leading '/', an empty, "." or ".." segment, a bad escape,
/// a decoded '/' or control character, more than 16 segments or query items. One trailing '/' is forgiven.
std::optional<Target> parse_target(std::string_view text);

}  // namespace sluice::http
