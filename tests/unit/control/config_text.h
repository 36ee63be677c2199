// Flags and a configuration file as text, and what becomes of them.
#pragma once

#include <string>
#include <string_view>

#include <doctest/doctest.h>

#include "tools/sluice/config.h"

namespace sluice::test {

inline Config good(const RawFlags& flags, std::string_view toml = "") {
  auto c = load_config_text(flags, toml, "sluice.toml");
  REQUIRE_MESSAGE(c.has_value(), (c ? "" : c.error().text));
  return *c;
}

/// The one line that says what is wrong.
inline std::string wrong(const RawFlags& flags, std::string_view toml = "") {
  const auto c = load_config_text(flags, toml, "sluice.toml");
  REQUIRE_FALSE(c.has_value());
  CHECK(c.error().text.find('\n') == std::string::npos);
  return c.error().text;
}

inline bool has(std::string_view where, std::string_view what) {
  return where.find(what) != std::string_view::npos;
}

}  // namespace sluice::test
