// Descriptions of servers that are no Sluice, changed on their way through a relay: line by line, nothing but
// candidates and addresses. Tame: no I/O, clock or randomness; control thread only.
#pragma once

#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "net/base/endpoint.h"
#include "net/sdp/error.h"

namespace sluice::sdp {

inline constexpr size_t kRelayEndpointsMax = 16;

struct Rewritten {
  std::string text;                 ///< CRLF lines
  std::vector<std::string> ufrags;  ///< all a=ice-ufrag in it, each once: 1..kMediaMax
};

/// A client's description for a server: without candidates and end-of-candidates, so that the server waits
/// for the checks that come by the relay, and with 0.0.0.0 port 9 for each address (RFC 8840 §4.1.1).
std::expected<Rewritten, Error> towards_server(std::string_view text);

/// A server's description for a client: its candidates, addresses and ports become the relay's endpoints, the
/// preferred first, of which there is at least one and at most kRelayEndpointsMax count.
std::expected<Rewritten, Error> towards_client(std::string_view text, std::span<const Endpoint> relay);

}  // namespace sluice::sdp
