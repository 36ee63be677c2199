#include "tools/bench/memory.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>

#include <fmt/format.h>

namespace sluice::bench {

int64_t anonymous_bytes(pid_t process) {
  std::ifstream file(fmt::format("/proc/{}/status", process));
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  return parse_anonymous(text).value_or(0);
}

std::optional<int64_t> parse_anonymous(std::string_view status) {
  // proc(5): in units of kB, which are 1024 bytes.
  const auto kib = number_behind(status, "RssAnon:");
  if (!kib) return std::nullopt;
  return static_cast<int64_t>(*kib) * 1024;
}

std::optional<double> number_behind(std::string_view text, std::string_view words) {
  const size_t at = text.rfind(words);
  if (at == text.npos) return std::nullopt;
  text.remove_prefix(at + words.size());
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
  double number = 0;
  if (std::from_chars(text.data(), text.data() + text.size(), number).ec != std::errc{}) return std::nullopt;
  return number;
}

}  // namespace sluice::bench
