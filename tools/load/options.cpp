#include "tools/load/options.h"

#include <charconv>
#include <thread>

#include <fmt/format.h>

#include "tools/load/mark.h"
#include "tools/load/wire.h"

namespace sluice::load {
namespace {

using Checked = std::expected<void, std::string>;

Checked wrong(std::string text) { return std::unexpected(std::move(text)); }

Checked check_load(const Options& o) {
  constexpr uint32_t kMaxSessions = 4'000'000;
  if (o.sessions < 1 || o.sessions > kMaxSessions)
    return wrong(fmt::format("--sessions: {} is out of range; give 1 to {}", o.sessions, kMaxSessions));
  if (!(o.rate >= 0.001 && o.rate <= 10'000))
    return wrong(fmt::format("--rate: {} packets/s is out of range; give 0.001 to 10000", o.rate));
  if (!(o.seconds >= 0.1 && o.seconds <= 7200))
    return wrong(fmt::format("--seconds: {} is out of range; give 0.1 to 7200", o.seconds));
  if (o.size < kMinPacket || o.size > 1200)
    return wrong(fmt::format("--size: {} bytes is out of range; give {} (header and mark) to 1200", o.size,
                             kMinPacket));
  if (!(o.setup_rate >= 0.1 && o.setup_rate <= 1e6))
    return wrong(fmt::format("--setup-rate: {} is out of range; give 0.1 to 1000000", o.setup_rate));
  if (o.setup_clump < 1 || o.setup_clump > 1000)
    return wrong(fmt::format("--setup-clump: {} is out of range; give 1 to 1000", o.setup_clump));
  if (!(o.ramp >= 0 && o.ramp <= 3600))
    return wrong(fmt::format("--ramp: {} s is out of range; give 0 to 3600", o.ramp));
  return {};
}

Checked check_search(const Options& o) {
  if (!o.search) return {};
  if (!(o.trial_seconds >= 0.5 && o.trial_seconds <= 60))
    return wrong(fmt::format("--trial-seconds: {} is out of range; give 0.5 to 60", o.trial_seconds));
  if (!(o.max_loss >= 0 && o.max_loss < 100))
    return wrong(fmt::format("--max-loss: {} % is out of range; give 0 to 99", o.max_loss));
  if (o.max_sessions < o.sessions)
    return wrong(fmt::format("--max-sessions: {} is below --sessions {}, where the search begins",
                             o.max_sessions, o.sessions));
  if (!o.sends_media()) return wrong("--search: needs media; leave out --allocate-only");
  return {};
}

Checked check_cores(const Options& o) {
  const unsigned have = std::max(1U, std::thread::hardware_concurrency());
  for (const unsigned c : o.cores)
    if (c >= have)
      return wrong(
          fmt::format("--cores: this machine has no core {}; give numbers from 0 to {}", c, have - 1));
  if (o.cores.size() > 16) return wrong("--cores: names more than 16 cores; one or two carry most systems");
  return {};
}

Checked check_veth(const Options& o) {
  const bool veth = o.veth.make || !o.veth.via.empty();
  if (o.veth.make && !o.veth.via.empty()) return wrong("--veth: makes a pair; leave it out with --via");
  if (veth && o.io == Io::sockets)
    return wrong("--io: --veth and --via carry frames; leave out --io sockets");
  if (!veth && o.io == Io::frames) return wrong("--io: frames need --veth or --via NAME");
  if (veth && !o.target.is_v4()) return wrong("--to: frames are IPv4; give an IPv4 address");
  if (veth && o.mode == Mode::whip) return wrong("--veth: is not for whip, which needs sockets");
  return {};
}

Checked check_mode(const Options& o) {
  if (o.mode == Mode::whip) {
    if (o.workers() > 1 && o.whip.agent.empty())
      return wrong("--cores: a publisher and its players are one thread's; give one core, or --agent");
    if (o.whip.players > 1000) return wrong("--players: more than 1000 of one publisher; give fewer");
    if (o.whip.agent.empty() && o.sessions % (1 + o.whip.players) != 0)
      return wrong(fmt::format("--sessions: {} is no multiple of {}, a publisher and its players", o.sessions,
                               1 + o.whip.players));
    return {};
  }
  if (o.target.port == 0) return wrong("--to: has no port; write e.g. 127.0.0.1:3478");
  if (o.servers < 1 || o.servers > 1000)
    return wrong(fmt::format("--servers: {} is out of range; give 1 to 1000", o.servers));
  if (o.io != Io::frames && o.serve.is_v4() != o.target.is_v4())
    return wrong("--serve: is not of the address family of --to; give both as IPv4 or both as IPv6");
  if (o.mode == Mode::turn && o.turn.user.empty() && o.turn.secret.empty())
    return wrong("--user: give NAME:PASSWORD, or --secret @FILE");
  if (o.mode == Mode::turn && o.turn.secret.empty() && !o.turn.user.starts_with('@') &&
      o.turn.user.find(':') == std::string::npos)
    return wrong("--user: is neither NAME:PASSWORD nor @FILE");
  const bool mints = !o.relay.route_key.empty() && !o.relay.ice_key.empty() && !o.relay.server.empty();
  if (o.mode == Mode::relay && o.relay.ufrags.empty() && !mints)
    return wrong("--ufrags: give a file of ufrags, or --route-key, --ice-key and --server to mint them");
  if (!o.relay.trunk_key.empty() && (o.workers() > 1 || !o.relay.ufrags.empty()))
    return wrong("--trunk-key: wants one core, and ufrags of its own minting");
  const uint64_t last = uint64_t{o.serve.port} + uint64_t{o.servers} * o.workers() - 1;
  if (o.serve.port == 0 || last > 65535)
    return wrong(fmt::format("--serve: ports {} to {} are wanted; begin lower", o.serve.port, last));
  return {};
}

}  // namespace

std::expected<void, std::string> check(const Options& o) {
  for (const auto part : {check_load, check_search, check_cores, check_veth, check_mode})
    if (auto bad = part(o); !bad) return bad;
  if (!o.up && !o.down) return wrong("--direction: give up, down or both");
  if (!(o.max_lag_ms > 0)) return wrong("--max-lag: must be above 0 ms");
  return {};
}

std::expected<std::vector<unsigned>, std::string> parse_cores(const std::string& text) {
  std::vector<unsigned> out;
  const auto bad =
      std::unexpected(fmt::format("--cores: '{}' is no list of cores; write e.g. 1 or 0,2-3", text));
  const char* at = text.data();
  const char* const end = at + text.size();
  while (true) {
    unsigned first = 0;
    auto read = std::from_chars(at, end, first);
    if (read.ec != std::errc{}) return bad;
    unsigned last = first;
    if (read.ptr != end && *read.ptr == '-') read = std::from_chars(read.ptr + 1, end, last);
    if (read.ec != std::errc{} || last < first || last > 1023) return bad;
    for (unsigned c = first; c <= last; ++c) out.push_back(c);
    if (read.ptr == end) return out;
    if (*read.ptr != ',') return bad;
    at = read.ptr + 1;
  }
}

std::string_view name(Mode m) {
  switch (m) {
    case Mode::udp:
      return "udp";
    case Mode::relay:
      return "relay";
    case Mode::turn:
      return "turn";
    case Mode::whip:
      return "whip";
    case Mode::flood:
      return "flood";
  }
  return "";
}

}  // namespace sluice::load
