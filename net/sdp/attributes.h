// Attributes that offers and fragments share. Internal to net/sdp.
#pragma once

#include <optional>
#include <string_view>

#include "net/sdp/offer.h"
#include "net/sdp/text.h"

namespace sluice::sdp {

/// The value of a=candidate; empty if it breaks its grammar or can be of no use (another component than 1,
/// another transport than UDP and TCP).
std::optional<Candidate> parse_candidate(std::string_view value);

/// The value of a=fingerprint into `out`. A hash that is not supported only leaves a mark.
text::Status parse_fingerprint(std::string_view value, const text::Place& at, TransportAttributes& out);

/// Takes a=ice-ufrag, ice-pwd, ice-options, fingerprint and setup into `out`; `known` says whether `name` was
/// one.
text::Status parse_transport_attribute(std::string_view name, std::string_view value, const text::Place& at,
                                       TransportAttributes& out, bool& known);

std::optional<Direction> parse_direction(std::string_view name);

}  // namespace sluice::sdp
