// `sluice top` without a terminal: figures in, text out.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sluice {

struct TopSession {
  std::string id, role, name, state, remote;
  double age_s = 0;
  std::optional<double> rtt_ms, jitter_ms, level_dbov;
  double loss = 0;  ///< the worst track's, 0..1
  double in_bps = 0, out_bps = 0;
  uint64_t drops = 0;
  unsigned shard = 0;
};

struct TopShard {
  unsigned shard = 0, core = 0;
  std::string io;
  uint64_t sessions = 0, rx_packets = 0, tx_packets = 0, drops = 0, kernel_drops = 0;
  uint64_t pool_free = 0, pool_capacity = 0;
  double cpu_ms = 0;
};

struct TopServer {
  std::string name;  ///< its ID, or the address of one that has none
  std::string address;
  bool trunk = false;
  std::string state;  ///< of a trunk
  double rtt_ms = 0;  ///< of a trunk; 0: not measured
  uint64_t flows = 0, unconfirmed = 0, routes = 0;
  uint64_t up_packets = 0, up_bytes = 0, down_packets = 0, down_bytes = 0;
};

struct TopRelay {
  bool on = false;
  bool alone = false;  ///< no calls end in this process
  uint64_t flows = 0, max_flows = 0, unconfirmed = 0, created = 0, expired = 0, routes = 0, max_routes = 0,
           ports = 0;
  uint64_t up_packets = 0, up_bytes = 0, down_packets = 0, down_bytes = 0;
  bool direct = false;  ///< a media tier that answers past the trunk
  uint64_t direct_packets = 0, direct_bytes = 0;
  std::vector<TopServer> servers;
};

struct TopAllocation {
  std::string id, user, client, transport;
  std::string relayed;  ///< the first family's, with a + where there are two
  double left_s = 0;
  uint64_t up_packets = 0, up_bytes = 0, down_packets = 0, down_bytes = 0;
};

struct TopTurn {
  bool on = false;
  uint64_t allocations = 0, max_allocations = 0, created = 0, refused = 0, unauthenticated = 0, quota = 0;
  uint64_t up_packets = 0, up_bytes = 0, down_packets = 0, down_bytes = 0;
  std::vector<TopAllocation> list;  ///< a page of them
};

struct TopStreams {
  uint64_t max = 0, open = 0, open_tls = 0, accepted = 0, refused = 0, tls_failures = 0;
};

struct TopFrame {
  std::string version, io, srtp;
  bool draining = false;
  TopRelay relay;
  TopTurn turn;
  TopStreams streams;
  uint64_t total = 0;  ///< sessions, also those that are not listed
  std::vector<TopSession> sessions;
  std::vector<TopShard> shards;
};

/// The JSON documents that a frame is made of; a daemon that knows nothing of relaying has no `relay` and
/// `servers`.
struct TopDocuments {
  std::string engine, sessions, shards, relay, servers;
};
/// The error names the document.
std::expected<TopFrame, std::string> parse_frame(const TopDocuments& documents);

/// A page of /v1/turn/allocations, for who has some; what is none adds nothing.
void add_allocations(TopFrame& frame, std::string_view document);

inline constexpr std::string_view kSortKeys[] = {"age", "loss", "jitter", "rtt", "rate", "drops", "name"};
bool valid_sort(std::string_view key);
/// The worst or largest first; "name" alphabetically, "age" oldest first.
void sort_sessions(std::vector<TopSession>& sessions, std::string_view key);

struct TopView {
  size_t width = 120, height = 40;  ///< height 0: no bound
  bool colour = false;
  std::string sort = "age";
  const TopFrame* before = nullptr;  ///< for rates; nullptr: none yet
  double seconds = 1;                ///< between `before` and now
};
/// Lines end in '\n'; no line is wider than the view.
std::string render_top(const TopFrame& frame, const TopView& view);

}  // namespace sluice
