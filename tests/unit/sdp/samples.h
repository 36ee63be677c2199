// Offers and answers that the SDP tests share.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "net/sdp/answer.h"
#include "net/sdp/negotiate.h"
#include "net/sdp/offer.h"

namespace sluice::sdp::test {

struct Sample {
  std::string name;  ///< "offer-gst-agent.sdp"
  std::string text;
};

/// Every file of tests/data/offers, by name.
const std::vector<Sample>& samples();
const std::string& sample(std::string_view name);

/// A small valid offer of one sendrecv audio m-line, mid 0, with Opus at 111; it is in a BUNDLE group.
std::string audio_offer();
/// The same with a video m-line behind it: mid 1, VP8 at 96, H264 constrained baseline at 102.
std::string av_offer();

/// `text` with the first `from` replaced by `to`; `from` has to be there.
std::string replaced(std::string text, std::string_view from, std::string_view to);
/// The audio offer with one more line at its end ("a=ptime:20").
std::string with_line(std::string_view line);

Offer parsed(std::string_view text);
Negotiation negotiated(std::string_view text, Role role);
Error parse_error(std::string_view text);
Error negotiate_error(std::string_view text, Role role);

/// Two candidates (192.0.2.9:3478, [2001:db8::9]:3478) and a source for each m-line that sends.
LocalTransport local_for(const Negotiation& negotiation);

/// Everything that holds for any answer; a description of what does not, or "".
std::string flaw_of_answer(const Offer& offer, const Negotiation& negotiation, std::string_view answer);

}  // namespace sluice::sdp::test
