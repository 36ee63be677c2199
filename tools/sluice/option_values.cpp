#include "tools/sluice/option_values.h"

#include <charconv>

namespace sluice::option_values {

Applied number(std::string_view text, unsigned low, unsigned high, unsigned& out) {
  unsigned n = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (error != std::errc{} || end != text.data() + text.size() || n < low || n > high)
    return wrong(fmt::format("'{}' is out of range; give a whole number from {} to {}", text, low, high));
  out = n;
  return {};
}

Applied endpoint(std::string_view text, Endpoint& out) {
  std::string whole(text);
  if (text.starts_with("localhost:")) whole.replace(0, 9, "127.0.0.1");
  const auto e = parse_endpoint(whole);
  if (!e) return wrong(fmt::format("'{}' is not ADDR:PORT; write e.g. 127.0.0.1:8080 or [::1]:8080", text));
  out = *e;
  return {};
}

Applied file(std::string_view text, std::string& out) {
  if (text.empty()) return wrong("names no file");
  out = std::string(text);
  return {};
}

Applied secret(std::string_view text, std::string& out) {
  if (text.size() < 2 || text.front() != '@')
    return wrong(
        "takes @FILE, a file that holds the secret, so that no secret is on a command line; "
        "e.g. openssl rand -hex 32 > FILE; chmod 600 FILE");
  out = std::string(text);
  return {};
}

Applied toggle(std::string_view text, bool& out) {
  if (text != "true" && text != "false") return wrong(fmt::format("'{}' is neither true nor false", text));
  out = text == "true";
  return {};
}

std::string list(const std::vector<std::string>& v) { return fmt::format("{}", fmt::join(v, ", ")); }
std::string yes(bool b) { return b ? "true" : "false"; }
std::string endpoint_text(const Endpoint& e) {
  EndpointText t;
  return std::string(format(e, t));
}

}  // namespace sluice::option_values
