#include "net/sdp/text.h"

#include <algorithm>
#include <utility>

namespace sluice::sdp::text {
namespace {

constexpr bool is_alnum(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

constexpr bool is_token_char(char c) {
  return is_alnum(c) || std::string_view("!#$%&'*+-.^_`{|}~").find(c) != std::string_view::npos;
}

std::unexpected<Error> fault(ErrorKind kind, const Place& at, std::string_view attribute, std::string message,
                             std::string fix) {
  std::string field = at.scope;
  if (!attribute.empty()) field.append(".").append(attribute);
  return std::unexpected(Error{kind, std::move(field), std::move(message), std::move(fix), at.line});
}

}  // namespace

bool Lines::next(std::string_view& line) {
  while (!rest_.empty()) {
    line = take_until(rest_, '\n');
    ++number_;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!line.empty()) return true;
  }
  return false;
}

std::string_view take_until(std::string_view& s, char separator) {
  const size_t at = s.find(separator);
  const std::string_view head = s.substr(0, at);
  s.remove_prefix(at == std::string_view::npos ? s.size() : at + 1);
  return head;
}

std::string_view take_word(std::string_view& s) {
  s.remove_prefix(std::min(s.find_first_not_of(' '), s.size()));
  return take_until(s, ' ');
}

std::string_view trimmed(std::string_view s) {
  s.remove_prefix(std::min(s.find_first_not_of(' '), s.size()));
  return s.substr(0, s.find_last_not_of(' ') + 1);
}

bool equal_nocase(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) { return lower(x) == lower(y); });
}

bool is_token(std::string_view s) { return !s.empty() && std::ranges::all_of(s, is_token_char); }

bool is_ice_chars(std::string_view s, size_t min, size_t max) {
  return s.size() >= min && s.size() <= max &&
         std::ranges::all_of(s, [](char c) { return is_alnum(c) || c == '+' || c == '/'; });
}

std::string quoted(std::string_view s, size_t max) {
  std::string out = "\"";
  for (char c : s.substr(0, max)) out += c >= ' ' && c <= '~' && c != '"' ? c : '?';
  out += s.size() > max ? "...\"" : "\"";
  return out;
}

std::unexpected<Error> Place::malformed(std::string_view attribute, std::string message,
                                        std::string fix) const {
  return fault(ErrorKind::malformed, *this, attribute, std::move(message), std::move(fix));
}

std::unexpected<Error> Place::unsupported(std::string_view attribute, std::string message,
                                          std::string fix) const {
  return fault(ErrorKind::unsupported, *this, attribute, std::move(message), std::move(fix));
}

}  // namespace sluice::sdp::text
