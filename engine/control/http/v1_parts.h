// What the parts of /v1 have in common.
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string_view>

#include "engine/control/json.h"

namespace sluice::http {

/// A struct of the C API that says how large it is.
template <class T>
T sized() {
  T s{};
  s.size = sizeof s;
  return s;
}

/// A whole number and nothing else.
template <class T>
std::optional<T> number(std::string_view text) {
  T n{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (error != std::errc{} || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return n;
}

inline void traffic(control::Json& json, std::string_view key, uint64_t packets, uint64_t bytes) {
  json.key(key).begin_object().member("packets", packets).member("bytes", bytes).end_object();
}

}  // namespace sluice::http
