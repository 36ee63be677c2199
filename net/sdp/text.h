// Small text helpers of the parsers. Internal to net/sdp.
#pragma once

#include <charconv>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "net/sdp/error.h"

namespace sluice::sdp::text {

/// Walks over lines that end in CRLF or LF; the last one may lack its end. Empty lines are skipped.
class Lines {
 public:
  explicit Lines(std::string_view text) : rest_(text) {}
  /// False at the end of the text.
  bool next(std::string_view& line);
  uint32_t number() const { return number_; }

 private:
  std::string_view rest_;
  uint32_t number_ = 0;
};

/// Takes the part of `s` before the first `separator` away from it, and the separator too.
std::string_view take_until(std::string_view& s, char separator);
/// The next word of `s`; spaces before it are skipped. Empty at the end.
std::string_view take_word(std::string_view& s);
std::string_view trimmed(std::string_view s);

bool equal_nocase(std::string_view a, std::string_view b);

/// RFC 8866 §9 token, at least one character.
bool is_token(std::string_view s);
/// RFC 8839 §5.1 ice-char, `min` to `max` of them.
bool is_ice_chars(std::string_view s, size_t min, size_t max);

template <std::unsigned_integral T>
std::optional<T> parse_number(std::string_view s) {
  T v = 0;
  const auto [end, fault] = std::from_chars(s.data(), s.data() + s.size(), v);
  if (fault != std::errc{} || end != s.data() + s.size() || s.empty()) return std::nullopt;
  return v;
}

/// For messages: printable ASCII in double quotes, cut to `max` characters.
std::string quoted(std::string_view s, size_t max = 40);

using Status = std::expected<void, Error>;

/// Where a parser is, for its errors.
struct Place {
  std::string scope;  ///< "offer", "offer.m[3]", "fragment"
  uint32_t line = 0;

  std::unexpected<Error> malformed(std::string_view attribute, std::string message, std::string fix) const;
  std::unexpected<Error> unsupported(std::string_view attribute, std::string message, std::string fix) const;
};

}  // namespace sluice::sdp::text
