#include "net/sdp/lines.h"

#include <algorithm>
#include <iterator>

#include <fmt/format.h>

namespace sluice::sdp::lines {

void append_ice_session(std::string& out) {
  // RFC 8839 §5.6: ice2 says RFC 8445; RFC 8840 §4.1: we take candidates later too.
  out += "a=ice-lite\r\na=ice-options:ice2 trickle\r\n";
}

void append_credentials(std::string& out, const LocalTransport& local) {
  fmt::format_to(std::back_inserter(out), "a=ice-ufrag:{}\r\na=ice-pwd:{}\r\n", local.ufrag, local.pwd);
}

void append_candidates(std::string& out, const LocalTransport& local) {
  const auto& all = local.candidates;
  EndpointText text;
  for (size_t i = 0; i < all.size(); ++i) {
    // RFC 8445 §5.1.1.3: host candidates with the same address share a foundation.
    const auto same = std::ranges::find(all, all[i].addr, &Endpoint::addr);
    fmt::format_to(std::back_inserter(out), "a=candidate:{} 1 udp {} {} {} typ host\r\n",
                   same - all.begin() + 1, host_priority(static_cast<uint32_t>(i)), format(all[i].addr, text),
                   all[i].port);
  }
  // A foundation of their own: RFC 8445 §5.1.1.3 asks for the same transport too.
  for (size_t i = 0; i < local.tcp_candidates.size(); ++i)
    fmt::format_to(std::back_inserter(out), "a=candidate:{} 1 tcp {} {} {} typ host tcptype passive\r\n",
                   all.size() + i + 1, tcp_passive_priority(static_cast<uint32_t>(i)),
                   format(local.tcp_candidates[i].addr, text), local.tcp_candidates[i].port);
  out += "a=end-of-candidates\r\n";
}

}  // namespace sluice::sdp::lines
