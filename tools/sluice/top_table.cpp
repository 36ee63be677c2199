#include "tools/sluice/top_table.h"

#include <algorithm>
#include <tuple>

#include <fmt/format.h>

namespace sluice {
namespace {

constexpr std::string_view kBold = "\x1b[1m";
constexpr std::string_view kRed = "\x1b[31m";
constexpr std::string_view kYellow = "\x1b[33m";
constexpr std::string_view kPlain = "\x1b[0m";

constexpr double kLossBad = 0.05;
constexpr double kLossOdd = 0.01;

std::string rate(double bits_per_s) {
  if (bits_per_s >= 9.95e5) return fmt::format("{:.1f}M", bits_per_s / 1e6);
  return fmt::format("{:.0f}k", bits_per_s / 1e3);
}

std::string count(double n) {
  if (n >= 9.995e6) return fmt::format("{:.1f}M", n / 1e6);
  if (n >= 99'950) return fmt::format("{:.0f}k", n / 1e3);
  return fmt::format("{:.0f}", n);
}

std::string age(double s) {
  const auto whole = static_cast<long>(s);
  if (whole >= 3600) return fmt::format("{}h{:02}", whole / 3600, whole % 3600 / 60);
  if (whole >= 60) return fmt::format("{}m{:02}", whole / 60, whole % 60);
  return fmt::format("{}s", whole);
}

std::string maybe(const std::optional<double>& v, int digits) {
  return v ? fmt::format("{:.{}f}", *v, digits) : std::string("-");
}

/// Names come from other machines: what a terminal would obey is not printed.
std::string printable(std::string_view s, size_t width) {
  std::string out;
  for (char c : s.substr(0, width)) out.push_back(c >= 0x20 && c < 0x7f ? c : '?');
  if (s.size() > width && width > 1) out.back() = '~';
  return out;
}

class Screen {
 public:
  explicit Screen(const TopView& view) : view_(view) {}

  bool full(size_t reserve = 0) const { return view_.height != 0 && lines_ + reserve >= view_.height; }
  void line(std::string_view text, std::string_view style = {}) {
    if (full()) return;
    const bool styled = view_.colour && !style.empty();
    if (styled) out_ += style;
    out_ += text.substr(0, view_.width);
    if (styled) out_ += kPlain;
    out_ += '\n';
    ++lines_;
  }
  size_t lines() const { return lines_; }
  std::string take() { return std::move(out_); }

 private:
  const TopView& view_;
  std::string out_;
  size_t lines_ = 0;
};

const TopShard* before_of(const TopView& view, const TopShard& s) {
  if (view.before == nullptr) return nullptr;
  for (const auto& b : view.before->shards)
    if (b.shard == s.shard) return &b;
  return nullptr;
}

/// Per second, of two readings of a counter.
std::string rate_of(const TopView& view, uint64_t now, const uint64_t* before) {
  if (before == nullptr || view.seconds <= 0 || now < *before) return "-";
  return count(static_cast<double>(now - *before) / view.seconds);
}
std::string bits_of(const TopView& view, uint64_t now, const uint64_t* before) {
  if (before == nullptr || view.seconds <= 0 || now < *before) return "-";
  return rate(8.0 * static_cast<double>(now - *before) / view.seconds);
}

void shards(Screen& screen, const TopFrame& frame, const TopView& view) {
  screen.line(fmt::format("{:>5} {:>4} {:<5} {:>8} {:>6} {:>8} {:>8} {:>9} {:>9} {:>12}", "SHARD", "CORE",
                          "IO", "SESSIONS", "CPU%", "RX/S", "TX/S", "DROPS", "KERNEL", "POOL FREE"),
              kBold);
  for (const auto& s : frame.shards) {
    const TopShard* b = before_of(view, s);
    const std::string cpu = b == nullptr || view.seconds <= 0
                                ? "-"
                                : fmt::format("{:.1f}", (s.cpu_ms - b->cpu_ms) / view.seconds / 10);
    screen.line(fmt::format("{:>5} {:>4} {:<5} {:>8} {:>6} {:>8} {:>8} {:>9} {:>9} {:>12}", s.shard, s.core,
                            printable(s.io, 5), s.sessions, cpu,
                            rate_of(view, s.rx_packets, b ? &b->rx_packets : nullptr),
                            rate_of(view, s.tx_packets, b ? &b->tx_packets : nullptr),
                            count(static_cast<double>(s.drops)), count(static_cast<double>(s.kernel_drops)),
                            fmt::format("{}/{}", s.pool_free, s.pool_capacity)),
                s.kernel_drops > 0 ? kYellow : std::string_view{});
  }
}

const TopServer* before_of(const TopView& view, const TopServer& s) {
  if (view.before == nullptr) return nullptr;
  for (const auto& b : view.before->relay.servers)
    if (b.name == s.name) return &b;
  return nullptr;
}

/// How its packets get there, and how that does.
std::string leg_of(const TopServer& s) {
  if (!s.trunk) return "ports";
  if (s.state == "up" && s.rtt_ms > 0) return fmt::format("trunk {:.1f} ms", s.rtt_ms);
  return "trunk " + std::string(printable(s.state, 8));
}

constexpr std::string_view kServerRow = "{:>15} {:<23} {:<14} {:>8} {:>8} {:>7} {:>8} {:>8} {:>8} {:>8}";

template <class T>
void server_row(Screen& screen, const TopView& view, std::string_view name, std::string_view address,
                std::string_view leg, const T& now, const T* b) {
  const auto old = [&](uint64_t T::* field) { return b == nullptr ? nullptr : &(b->*field); };
  screen.line(fmt::format(
      fmt::runtime(kServerRow), name, address, leg, now.flows, now.unconfirmed,
      count(static_cast<double>(now.routes)), rate_of(view, now.up_packets, old(&T::up_packets)),
      rate_of(view, now.down_packets, old(&T::down_packets)), bits_of(view, now.up_bytes, old(&T::up_bytes)),
      bits_of(view, now.down_bytes, old(&T::down_bytes))));
}

void relay(Screen& screen, const TopFrame& frame, const TopView& view) {
  const TopRelay& r = frame.relay;
  // Both roles are the default; who forwards nothing is not bothered with it.
  if (!r.on || (!r.alone && r.servers.empty() && r.created == 0)) return;
  // Sessions want some lines too: a small terminal shows the busiest servers, a tiny one none.
  constexpr size_t kAround = 4, kForSessions = 6;
  const size_t room =
      r.alone ? view.height - std::min(view.height, screen.lines() + kAround) : view.height / 4;
  const size_t shown = view.height == 0 ? r.servers.size() : std::min(r.servers.size(), room);
  if (!r.alone && screen.full(shown + kAround + kForSessions)) return;
  screen.line("");
  screen.line(fmt::format(fmt::runtime(kServerRow), "SERVER", "ADDRESS", "LEG", "FLOWS", "UNCONF", "ROUTES",
                          "UP/S", "DOWN/S", "UP b/s", "DOWN b/s"),
              kBold);
  std::vector<const TopServer*> order;
  for (const auto& s : r.servers) order.push_back(&s);
  std::ranges::sort(order, [](const TopServer* a, const TopServer* b) {
    return a->flows != b->flows ? a->flows > b->flows : a->name < b->name;
  });
  for (size_t i = 0; i < shown; ++i) {
    const TopServer& s = *order[i];
    server_row(screen, view, printable(s.name, 15), printable(s.address, 23), leg_of(s), s,
               before_of(view, s));
  }
  server_row(screen, view, "all", fmt::format("flows max {}", r.max_flows), "", r,
             view.before == nullptr ? nullptr : &view.before->relay);
  screen.line(fmt::format("{:>15} created {}, expired {}, relay ports open {}, routes {} of {}", "",
                          count(static_cast<double>(r.created)), count(static_cast<double>(r.expired)),
                          r.ports, r.routes, r.max_routes));
}

void turn(Screen& screen, const TopFrame& frame, const TopView& view) {
  const TopTurn& t = frame.turn;
  constexpr size_t kLines = 2, kForSessions = 6;
  if (!t.on || screen.full(kLines + kForSessions)) return;
  const TopTurn* before = view.before == nullptr ? nullptr : &view.before->turn;
  const auto old = [&](uint64_t TopTurn::* field) { return before == nullptr ? nullptr : &(before->*field); };
  screen.line("");
  screen.line(fmt::format(
      "TURN {} of {} allocations, made {}, refused {} (401: {}, quota: {}), up {}/s {} b/s, down {}/s {} b/s",
      t.allocations, t.max_allocations, count(static_cast<double>(t.created)),
      count(static_cast<double>(t.refused)), count(static_cast<double>(t.unauthenticated)),
      count(static_cast<double>(t.quota)), rate_of(view, t.up_packets, old(&TopTurn::up_packets)),
      bits_of(view, t.up_bytes, old(&TopTurn::up_bytes)),
      rate_of(view, t.down_packets, old(&TopTurn::down_packets)),
      bits_of(view, t.down_bytes, old(&TopTurn::down_bytes))));
}

constexpr std::string_view kAllocationRow = "{:>15} {:<23} {:<4} {:<27} {:>6} {:>8} {:>8} {:>8} {:>8}";

void allocation_row(Screen& screen, const TopAllocation& a, const TopView& view) {
  using A = TopAllocation;
  const A* b = nullptr;
  if (view.before != nullptr)
    for (const A& o : view.before->turn.list)
      if (o.id == a.id) b = &o;
  const auto old = [&](uint64_t A::* field) { return b == nullptr ? nullptr : &(b->*field); };
  screen.line(fmt::format(
      fmt::runtime(kAllocationRow), printable(a.user, 15), printable(a.client, 23), printable(a.transport, 4),
      printable(a.relayed, 27), age(a.left_s), rate_of(view, a.up_packets, old(&A::up_packets)),
      rate_of(view, a.down_packets, old(&A::down_packets)), bits_of(view, a.up_bytes, old(&A::up_bytes)),
      bits_of(view, a.down_bytes, old(&A::down_bytes))));
}

/// Those that have carried most: an order that does not change with every breath.
void allocations(Screen& screen, const TopFrame& frame, const TopView& view) {
  const TopTurn& t = frame.turn;
  constexpr size_t kAround = 4, kForSessions = 6;
  const size_t taken = screen.lines() + kAround + (frame.relay.alone ? 0 : kForSessions);
  size_t shown = t.list.size();
  if (view.height != 0) {
    shown = std::min(shown, view.height - std::min(view.height, taken));
    if (!frame.relay.alone) shown = std::min(shown, view.height / 4);
  }
  if (shown == 0) return;
  std::vector<const TopAllocation*> order;
  for (const auto& a : t.list) order.push_back(&a);
  const auto carried = [](const TopAllocation* a) { return a->up_bytes + a->down_bytes; };
  std::ranges::sort(order, [&](const TopAllocation* a, const TopAllocation* b) {
    return carried(a) != carried(b) ? carried(a) > carried(b) : a < b;
  });
  screen.line(fmt::format(fmt::runtime(kAllocationRow), "USER", "CLIENT", "BY", "RELAYED", "LEFT", "UP/S",
                          "DOWN/S", "UP b/s", "DOWN b/s"),
              kBold);
  for (size_t i = 0; i < shown; ++i) allocation_row(screen, *order[i], view);
  if (t.allocations > shown) screen.line(fmt::format("... and {} more", t.allocations - shown));
}

void direct(Screen& screen, const TopRelay& r, const TopView& view) {
  constexpr size_t kLines = 1, kForSessions = 6;
  if (!r.direct || screen.full(kLines + kForSessions)) return;
  const TopRelay* b = view.before == nullptr ? nullptr : &view.before->relay;
  screen.line(fmt::format("TRUNK: media past it, to clients directly: {} packets, {}/s {} b/s",
                          count(static_cast<double>(r.direct_packets)),
                          rate_of(view, r.direct_packets, b ? &b->direct_packets : nullptr),
                          bits_of(view, r.direct_bytes, b ? &b->direct_bytes : nullptr)));
}

/// Who has had no connection is not bothered with them.
void streams(Screen& screen, const TopStreams& s) {
  constexpr size_t kLines = 1, kForSessions = 6;
  if (s.accepted + s.refused == 0 || screen.full(kLines + kForSessions)) return;
  screen.line(fmt::format("TCP {} of {} connections open ({} TLS), accepted {}, refused {}, TLS failures {}",
                          s.open, s.max, s.open_tls, count(static_cast<double>(s.accepted)),
                          count(static_cast<double>(s.refused)), count(static_cast<double>(s.tls_failures))),
              s.refused + s.tls_failures > 0 ? kYellow : std::string_view{});
}

void row(Screen& screen, const TopSession& s) {
  const std::string_view style = s.loss >= kLossBad   ? kRed
                                 : s.loss >= kLossOdd ? kYellow
                                                      : std::string_view{};
  screen.line(
      fmt::format("{:>12} {:<7} {:<16} {:<9} {:<23} {:>6} {:>6} {:>6} {:>6} {:>7} {:>7} {:>6} {:>7} {:>5}",
                  printable(s.id, 12), printable(s.role, 7), printable(s.name, 16), printable(s.state, 9),
                  s.remote.empty() ? "-" : printable(s.remote, 23), age(s.age_s), maybe(s.rtt_ms, 0),
                  maybe(s.jitter_ms, 1), fmt::format("{:.1f}", s.loss * 100), rate(s.in_bps), rate(s.out_bps),
                  maybe(s.level_dbov, 0), count(static_cast<double>(s.drops)), s.shard),
      style);
}

/// What this process is, in one line.
std::string heading(const TopFrame& frame, const TopView& view) {
  const std::string what = frame.relay.alone
                               ? fmt::format("relay   flows {}   io {}", frame.relay.flows, frame.io)
                               : fmt::format("sessions {}   io {}   srtp {}   sorted by {}", frame.total,
                                             frame.io, frame.srtp, view.sort);
  return fmt::format("sluice {}   {}{}", frame.version, what, frame.draining ? "   DRAINING" : "");
}

void sessions(Screen& screen, const TopFrame& frame, const TopView& view) {
  screen.line("");
  screen.line(
      fmt::format("{:>12} {:<7} {:<16} {:<9} {:<23} {:>6} {:>6} {:>6} {:>6} {:>7} {:>7} {:>6} {:>7} {:>5}",
                  "SESSION", "ROLE", "NAME", "STATE", "REMOTE", "AGE", "RTT ms", "JIT ms", "LOSS %", "IN b/s",
                  "OUT b/s", "LEVEL", "DROPS", "SHARD"),
      kBold);
  auto order = frame.sessions;
  sort_sessions(order, view.sort);
  size_t shown = 0;
  for (const auto& s : order) {
    if (screen.full(1) && order.size() > shown + 1) break;
    row(screen, s);
    ++shown;
  }
  if (frame.total > shown) screen.line(fmt::format("... and {} more", frame.total - shown));
  if (frame.total == 0) screen.line("No sessions. Open the console, or POST an offer to /agent/echo.");
}

}  // namespace

bool valid_sort(std::string_view key) { return std::ranges::find(kSortKeys, key) != std::end(kSortKeys); }

void sort_sessions(std::vector<TopSession>& sessions, std::string_view key) {
  const auto by = [&](auto rank) {
    std::ranges::sort(sessions, [&](const TopSession& a, const TopSession& b) {
      const auto x = rank(a), y = rank(b);
      return x != y ? x > y : a.id < b.id;
    });
  };
  if (key == "age") by([](const TopSession& s) { return s.age_s; });
  if (key == "loss") by([](const TopSession& s) { return s.loss; });
  if (key == "jitter") by([](const TopSession& s) { return s.jitter_ms.value_or(-1); });
  if (key == "rtt") by([](const TopSession& s) { return s.rtt_ms.value_or(-1); });
  if (key == "rate") by([](const TopSession& s) { return s.in_bps + s.out_bps; });
  if (key == "drops") by([](const TopSession& s) { return s.drops; });
  if (key != "name") return;
  std::ranges::sort(sessions, [](const TopSession& a, const TopSession& b) {
    return std::tie(a.name, a.id) < std::tie(b.name, b.id);
  });
}

std::string render_top(const TopFrame& frame, const TopView& view) {
  Screen screen(view);
  screen.line(heading(frame, view), frame.draining ? kYellow : kBold);
  screen.line("");
  shards(screen, frame, view);
  relay(screen, frame, view);
  turn(screen, frame, view);
  allocations(screen, frame, view);
  streams(screen, frame.streams);
  direct(screen, frame.relay, view);
  // A relay alone has none, and nobody to tell how to make one.
  if (!frame.relay.alone) sessions(screen, frame, view);
  return screen.take();
}

}  // namespace sluice
