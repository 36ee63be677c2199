#include "engine/control/http/target.h"

namespace sluice::http {
namespace {

constexpr size_t kMaxParts = 16;

int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// RFC 3986 §2.1. Control characters are refused whether escaped or not.
std::optional<std::string> decode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    int c = static_cast<unsigned char>(text[i]);
    if (c == '%') {
      if (i + 2 >= text.size() || hex(text[i + 1]) < 0 || hex(text[i + 2]) < 0) return std::nullopt;
      c = hex(text[i + 1]) * 16 + hex(text[i + 2]);
      i += 2;
    }
    if (c < 0x20 || c == 0x7f) return std::nullopt;
    out.push_back(static_cast<char>(c));
  }
  return out;
}

bool split_path(std::string_view path, Target& out) {
  if (path.empty() || path.front() != '/') return false;
  path.remove_prefix(1);
  if (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  while (!path.empty()) {
    const size_t slash = path.find('/');
    auto segment = decode(path.substr(0, slash));
    if (!segment || segment->empty() || *segment == "." || *segment == "..") return false;
    if (segment->find_first_of("/\\") != std::string::npos || out.segments.size() == kMaxParts) return false;
    out.segments.push_back(std::move(*segment));
    if (slash == std::string_view::npos) break;
    path.remove_prefix(slash + 1);
    if (path.empty()) return false;
  }
  return true;
}

bool split_query(std::string_view query, Target& out) {
  while (!query.empty()) {
    const size_t amp = query.find('&');
    const std::string_view item = query.substr(0, amp);
    const size_t equals = item.find('=');
    auto name = decode(item.substr(0, equals));
    auto value = equals == std::string_view::npos ? std::optional<std::string>(std::in_place)
                                                  : decode(item.substr(equals + 1));
    if (!name || !value || out.query.size() == kMaxParts) return false;
    if (!name->empty()) out.query.emplace_back(std::move(*name), std::move(*value));
    query = amp == std::string_view::npos ? std::string_view{} : query.substr(amp + 1);
  }
  return true;
}

}  // namespace

std::optional<std::string_view> Target::param(std::string_view name) const {
  for (const auto& [n, v] : query)
    if (n == name) return v;
  return std::nullopt;
}

std::string Target::path() const {
  if (segments.empty()) return "/";
  std::string out;
  for (const auto& s : segments) out.append("/").append(s);
  return out;
}

std::optional<Target> parse_target(std::string_view text) {
  if (text.find('#') != std::string_view::npos) return std::nullopt;
  Target out;
  const size_t question = text.find('?');
  if (!split_path(text.substr(0, question), out)) return std::nullopt;
  if (question != std::string_view::npos && !split_query(text.substr(question + 1), out)) return std::nullopt;
  return out;
}

}  // namespace sluice::http
