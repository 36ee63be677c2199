#include "net/base/endpoint.h"

#include <charconv>

namespace sluice {
namespace {

/// Appends to a fixed buffer whose size is known to suffice for every input.
class Text {
 public:
  explicit Text(EndpointText& out) : p_(out.data()), begin_(out.data()), end_(out.data() + out.size()) {}

  void put(char c) {
    if (p_ < end_) *p_++ = c;
  }
  void put(std::string_view s) {
    for (char c : s) put(c);
  }
  void number(unsigned v, int base = 10) { p_ = std::to_chars(p_, end_, v, base).ptr; }
  std::string_view done() {
    if (p_ < end_) *p_ = 0;
    return {begin_, static_cast<size_t>(p_ - begin_)};
  }

 private:
  char* p_;
  char* begin_;
  char* end_;
};

constexpr int kGroups = 8;

unsigned group(const Address& a, int i) {
  const auto k = static_cast<size_t>(i) * 2;
  return (unsigned{a.b[k]} << 8) | a.b[k + 1];
}

struct Run {
  int at = -1;
  int len = 0;
};

/// RFC 5952 §4.2: the first longest run of two or more zero groups is shortened.
Run longest_zero_run(const Address& a) {
  Run best, now;
  for (int i = 0; i < kGroups; ++i) {
    if (group(a, i) != 0) {
      now = {};
      continue;
    }
    if (now.len++ == 0) now.at = i;
    if (now.len > best.len) best = now;
  }
  return best.len >= 2 ? best : Run{};
}

void put_v4(Text& t, const Address& a, int octets) {
  for (int i = 0; i < 4; ++i) {
    if (i > 0) t.put('.');
    if (i < octets)
      t.number(a.b[static_cast<size_t>(12 + i)]);
    else
      t.put('x');
  }
}

void put_v6(Text& t, const Address& a) {
  const Run zero = longest_zero_run(a);
  for (int i = 0; i < kGroups; ++i) {
    if (i == zero.at) {
      t.put("::");
      i += zero.len - 1;
      continue;
    }
    if (i > 0 && i != zero.at + zero.len) t.put(':');
    t.number(group(a, i), 16);
  }
}

void put_port(Text& t, uint16_t port) {
  t.put(':');
  t.number(port);
}

template <class T>
bool parse_number(std::string_view s, T& out, int base = 10) {
  const auto [end, ec] = std::from_chars(s.data(), s.data() + s.size(), out, base);
  return ec == std::errc{} && end == s.data() + s.size() && !s.empty();
}

std::optional<uint32_t> parse_v4(std::string_view s) {
  uint32_t host_order = 0;
  for (int i = 0; i < 4; ++i) {
    const size_t dot = i < 3 ? s.find('.') : s.size();
    if (dot == std::string_view::npos || dot > 3) return {};
    unsigned octet = 256;
    if (!parse_number(s.substr(0, dot), octet) || octet > 255) return {};
    host_order = (host_order << 8) | octet;
    s.remove_prefix(i < 3 ? dot + 1 : dot);
  }
  return host_order;
}

/// Parses colon-separated groups up to the end of `s`; -1 on error, else how many. A trailing IPv4 is two
/// groups.
int parse_groups(std::string_view s, uint16_t* out, int room) {
  int n = 0;
  while (!s.empty()) {
    const size_t colon = s.find(':');
    const std::string_view part = s.substr(0, colon);
    if (colon == std::string_view::npos && part.find('.') != std::string_view::npos) {
      const auto v4 = parse_v4(part);
      if (!v4 || n + 2 > room) return -1;
      out[n++] = static_cast<uint16_t>(*v4 >> 16);
      out[n++] = static_cast<uint16_t>(*v4);
      return n;
    }
    unsigned v = 0;
    if (n >= room || part.size() > 4 || !parse_number(part, v, 16)) return -1;
    out[n++] = static_cast<uint16_t>(v);
    if (colon == std::string_view::npos) return n;
    s.remove_prefix(colon + 1);
    if (s.empty()) return -1;  // "1:"
  }
  return n;
}

std::optional<Address> parse_v6(std::string_view s) {
  uint16_t g[kGroups]{};
  const size_t gap = s.find("::");
  if (gap == std::string_view::npos) {
    if (parse_groups(s, g, kGroups) != kGroups) return {};
  } else {
    if (s.substr(0, gap).find('.') != std::string_view::npos) return {};
    uint16_t tail[kGroups]{};
    const int head_n = parse_groups(s.substr(0, gap), g, kGroups - 1);
    s.remove_prefix(gap + 2);
    const int tail_n = parse_groups(s, tail, kGroups - 1);
    if (head_n < 0 || tail_n < 0 || head_n + tail_n > kGroups - 1) return {};
    for (int i = 0; i < tail_n; ++i) g[kGroups - tail_n + i] = tail[i];
  }
  Address a;
  for (size_t i = 0; i < kGroups; ++i) {
    a.b[2 * i] = static_cast<uint8_t>(g[i] >> 8);
    a.b[2 * i + 1] = static_cast<uint8_t>(g[i]);
  }
  return a;
}

}  // namespace

std::string_view format(const Address& a, EndpointText& out) {
  Text t(out);
  if (a.is_v4())
    put_v4(t, a, 4);
  else
    put_v6(t, a);
  return t.done();
}

std::string_view format(const Endpoint& e, EndpointText& out) {
  Text t(out);
  if (e.is_v4()) {
    put_v4(t, e.addr, 4);
  } else {
    t.put('[');
    put_v6(t, e.addr);
    t.put(']');
  }
  put_port(t, e.port);
  return t.done();
}

std::string_view format_masked(const Endpoint& e, EndpointText& out) {
  Text t(out);
  if (e.is_v4()) {
    put_v4(t, e.addr, 3);
  } else {
    // A /56 is three and a half groups; what a site hands to one customer begins after it.
    t.put('[');
    for (int i = 0; i < 3; ++i) {
      t.number(group(e.addr, i), 16);
      t.put(':');
    }
    t.number(group(e.addr, 3) >> 8, 16);
    t.put("xx:x]");
  }
  put_port(t, e.port);
  return t.done();
}

std::optional<Address> parse_address(std::string_view s) {
  if (s.find(':') != std::string_view::npos) return parse_v6(s);
  if (const auto v4 = parse_v4(s)) return Address::v4(*v4);
  return {};
}

std::optional<Endpoint> parse_endpoint(std::string_view s) {
  const size_t colon = s.rfind(':');
  if (colon == std::string_view::npos) return {};
  std::string_view host = s.substr(0, colon);
  const bool brackets = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (brackets) {
    host.remove_prefix(1);
    host.remove_suffix(1);
  }
  // "::1:5" without brackets is ambiguous, "[1.2.3.4]:5" is nobody's notation.
  if (brackets != (host.find(':') != std::string_view::npos)) return {};
  const auto addr = parse_address(host);
  unsigned port = 65536;
  s.remove_prefix(colon + 1);
  if (!addr || !parse_number(s, port) || port > 65535) return {};
  return Endpoint{*addr, static_cast<uint16_t>(port)};
}

}  // namespace sluice
