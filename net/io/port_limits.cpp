#include "net/io/port_limits.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <vector>

#include <sys/resource.h>

namespace sluice::io {
namespace {

/// Takes a number off the front of `text`.
std::optional<uint16_t> take_port(std::string_view& text) {
  uint16_t v = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), v);
  if (error != std::errc{}) return std::nullopt;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return v;
}

void skip(std::string_view& text, std::string_view what) {
  text.remove_prefix(std::min(text.find_first_not_of(what), text.size()));
}

std::string first_line(const char* path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

}  // namespace

std::optional<PortRange> parse_port_range(std::string_view text) {
  const auto lo = take_port(text);
  skip(text, " \t");
  const auto hi = take_port(text);
  if (!lo || !hi) return std::nullopt;
  return PortRange{.lo = *lo, .hi = *hi};
}

bool all_reserved(PortRange range, std::string_view reserved) {
  std::vector<bool> is(65'536);
  while (const auto lo = take_port(reserved)) {
    uint16_t hi = *lo;
    if (reserved.starts_with('-')) {
      reserved.remove_prefix(1);
      hi = take_port(reserved).value_or(hi);
    }
    for (uint32_t p = *lo; p <= hi; ++p) is[p] = true;
    skip(reserved, ", \n");
  }
  for (uint32_t p = range.lo; p <= range.hi; ++p)
    if (!is[p]) return false;
  return true;
}

std::optional<PortRange> handed_out(PortRange ports) {
  const auto local = parse_port_range(first_line("/proc/sys/net/ipv4/ip_local_port_range"));
  if (!local) return std::nullopt;
  const PortRange both{.lo = std::max(local->lo, ports.lo), .hi = std::min(local->hi, ports.hi)};
  if (both.lo > both.hi) return std::nullopt;
  if (all_reserved(both, first_line("/proc/sys/net/ipv4/ip_local_reserved_ports"))) return std::nullopt;
  return both;
}

uint32_t raise_open_files() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  if (limit.rlim_cur < limit.rlim_max) {
    const rlimit raised{.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};
    if (::setrlimit(RLIMIT_NOFILE, &raised) == 0) limit = raised;
  }
  return static_cast<uint32_t>(std::min<rlim_t>(limit.rlim_cur, 1u << 24));
}

uint32_t open_files() {
  std::error_code error;
  uint32_t n = 0;
  for (std::filesystem::directory_iterator it("/proc/self/fd", error), end; !error && it != end;
       it.increment(error))
    ++n;
  return n;
}

}  // namespace sluice::io
