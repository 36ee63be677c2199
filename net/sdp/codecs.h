// From payload types and their parameters to codec identities and back. Internal to net/sdp.
#pragma once

#include <optional>
#include <string>

#include "net/sdp/negotiate.h"
#include "net/sdp/offer.h"

namespace sluice::sdp {

/// The codec that a payload type of an m-line of `kind` stands for, with the parameters that matter to us;
/// empty if Sluice cannot take it.
std::optional<NegotiatedCodec> identify(const OfferedCodec& offered, MediaKind kind, Role role);

/// The value of a=rtpmap without the payload type: "opus/48000/2".
std::string rtpmap_of(const NegotiatedCodec& codec);
/// Parameters for a=fmtp; empty if none are needed.
std::string fmtp_of(const NegotiatedCodec& codec);

}  // namespace sluice::sdp
