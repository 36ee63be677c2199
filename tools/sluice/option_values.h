// What the tables of options are made of. Internal to the tables.
#pragma once

#include <array>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "tools/sluice/config.h"

namespace sluice::option_values {

/// The error says what is wrong and what would be right.
using Applied = std::expected<void, std::string>;

inline Applied wrong(std::string text) { return std::unexpected(std::move(text)); }

Applied number(std::string_view text, unsigned low, unsigned high, unsigned& out);
Applied toggle(std::string_view text, bool& out);
Applied endpoint(std::string_view text, Endpoint& out);
Applied file(std::string_view text, std::string& out);
/// "@FILE". What was typed is not repeated: it may be the secret itself.
Applied secret(std::string_view text, std::string& out);

template <class T>
struct Choice {
  std::string_view name;
  T value;
};

template <class T, size_t N>
Applied choose(std::string_view text, const std::array<Choice<T>, N>& choices, T& out) {
  std::vector<std::string_view> names;
  for (const auto& c : choices) {
    names.push_back(c.name);
    if (c.name != text) continue;
    out = c.value;
    return {};
  }
  return wrong(fmt::format("'{}' is not known; give one of {}", text, fmt::join(names, ", ")));
}

template <class T, size_t N>
std::string chosen(T value, const std::array<Choice<T>, N>& choices) {
  for (const auto& c : choices)
    if (c.value == value) return std::string(c.name);
  return {};
}

std::string list(const std::vector<std::string>& v);
std::string yes(bool b);
std::string endpoint_text(const Endpoint& e);

}  // namespace sluice::option_values
