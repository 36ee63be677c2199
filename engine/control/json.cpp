#include "engine/control/json.h"

#include <cmath>
#include <cstdio>

#include <fmt/format.h>

namespace sluice::control {
namespace {

/// Length of a well-formed UTF-8 sequence at the front of `s` (RFC 3629 §4), 0 if there is none.
size_t utf8_length(std::string_view s) {
  const auto at = [&](size_t i) { return static_cast<unsigned char>(s[i]); };
  const unsigned char lead = at(0);
  const size_t n = lead < 0x80   ? 1
                   : lead < 0xc2 ? 0
                   : lead < 0xe0 ? 2
                   : lead < 0xf0 ? 3
                   : lead < 0xf5 ? 4
                                 : 0;
  if (n == 0 || s.size() < n) return 0;
  for (size_t i = 1; i < n; ++i)
    if ((at(i) & 0xc0) != 0x80) return 0;
  if ((lead == 0xe0 && at(1) < 0xa0) || (lead == 0xed && at(1) > 0x9f)) return 0;
  if ((lead == 0xf0 && at(1) < 0x90) || (lead == 0xf4 && at(1) > 0x8f)) return 0;
  return n;
}

}  // namespace

Json& Json::key(std::string_view name) {
  value(name);
  out_.push_back(':');
  comma_ = false;
  return *this;
}

Json& Json::value(std::string_view text) {
  separate();
  out_.push_back('"');
  while (!text.empty()) {
    const auto c = static_cast<unsigned char>(text.front());
    const size_t n = utf8_length(text);
    if (n == 0)
      out_ += "\\ufffd";
    else if (c == '"' || c == '\\')
      out_.append({'\\', static_cast<char>(c)});
    else if (c < 0x20 || c == 0x7f)
      fmt::format_to(std::back_inserter(out_), "\\u{:04x}", c);
    else
      out_.append(text.substr(0, n));
    text.remove_prefix(n == 0 ? 1 : n);
  }
  out_.push_back('"');
  return *this;
}

Json& Json::value(bool b) { return raw(b ? "true" : "false"); }

Json& Json::value(double number) {
  if (!std::isfinite(number)) return null();
  return raw(fmt::format("{}", std::round(number * 1000) / 1000));
}

Json& Json::raw(std::string_view json) {
  separate();
  out_.append(json);
  return *this;
}

Json& Json::open(char c) {
  separate();
  out_.push_back(c);
  comma_ = false;
  return *this;
}

Json& Json::close(char c) {
  out_.push_back(c);
  comma_ = true;
  return *this;
}

void Json::separate() {
  if (comma_) out_.push_back(',');
  comma_ = true;
}

}  // namespace sluice::control
