// Trickled candidates and ICE restarts: application/trickle-ice-sdpfrag (RFC 8840 §9, RFC 9725 §4.3). Tame;
// control thread only.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "net/sdp/answer.h"
#include "net/sdp/error.h"
#include "net/sdp/negotiate.h"
#include "net/sdp/offer.h"

namespace sluice::sdp {

inline constexpr size_t kFragmentBytesMax = 16384;

struct Fragment {
  /// From session level, else from the first m-line (or a=mid part) that has them; both empty if nowhere.
  std::string ufrag, pwd;
  std::string mid;                    ///< where they stood; of the first part otherwise; may be empty
  std::vector<std::string> mids;      ///< all a=mid, in order
  std::vector<Candidate> candidates;  ///< of all parts, at most kCandidatesMax
  bool end_of_candidates = false;     ///< somewhere
};

/// Whether it restarts ICE is for the caller to say, who knows the ufrag in force. Both of a=ice-ufrag and
/// a=ice-pwd are there or none is, else it is malformed; a fragment with neither credentials, candidates nor
/// a=end-of-candidates is malformed too.
std::expected<Fragment, Error> parse_fragment(std::string_view text);

/// The answer to an ICE restart: our new credentials and candidates. CRLF lines.
std::string write_fragment(const Negotiation& negotiation, const LocalTransport& local);

}  // namespace sluice::sdp
