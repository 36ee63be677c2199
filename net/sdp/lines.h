// Lines that answers and fragments share. Internal to net/sdp.
#pragma once

#include <string>

#include "net/sdp/answer.h"

namespace sluice::sdp::lines {

/// a=ice-lite and a=ice-options.
void append_ice_session(std::string& out);
/// a=ice-ufrag and a=ice-pwd.
void append_credentials(std::string& out, const LocalTransport& local);
/// a=candidate lines and a=end-of-candidates.
void append_candidates(std::string& out, const LocalTransport& local);

}  // namespace sluice::sdp::lines
