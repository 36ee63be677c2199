// SDP answers, built from scratch: no byte of the offer is copied but mids, payload types, the m= line's
// media and protocol and the identifiers of extensions. Tame; control thread only.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "net/base/endpoint.h"
#include "net/sdp/negotiate.h"
#include "net/sdp/offer.h"

namespace sluice::sdp {

/// What Sluice sends on one accepted m-line.
struct LocalMedia {
  size_t index = 0;  ///< m-line
  uint32_t ssrc = 0;
  std::string stream;  ///< a=msid, RFC 8830: 1..64 characters, equal for tracks to be played in step
  std::string track;
};

struct LocalTransport {
  std::string ufrag;                 ///< 4..256 ice-chars
  std::string pwd;                   ///< 22..256 ice-chars
  std::string fingerprint;           ///< "sha-256 AA:BB:..."
  std::vector<Endpoint> candidates;  ///< host candidates, preferred first; the first is also the default one
  std::vector<Endpoint> tcp_candidates;  ///< passive ones (RFC 6544), behind all of those
  uint64_t session_id = 0;           ///< o= line; below 2^63
  uint64_t session_version = 1;
  std::string cname;              ///< RFC 7022: the same for all of this session's sources
  std::vector<LocalMedia> media;  ///< one for each accepted m-line whose direction sends()
};

/// RFC 8445 §5.1.2.1 for a host candidate of component 1; `order`: 0 is the most preferred, at most 65535.
uint32_t host_priority(uint32_t order);
/// RFC 6544 §4.2 for a passive host candidate of component 1; `order`: at most 8191.
uint32_t tcp_passive_priority(uint32_t order);

/// CRLF lines. `negotiation` is what negotiate() made of `offer`.
std::string write_answer(const Offer& offer, const Negotiation& negotiation, const LocalTransport& local);

}  // namespace sluice::sdp
