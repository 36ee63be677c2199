// Enough of HTTP/1.1 and SDP for a load client: POST an offer, take the answer apart, DELETE.
#pragma once

#include <string>
#include <string_view>

#include "net/base/endpoint.h"

namespace sluice::load {

struct Answer {
  std::string location;  ///< path for DELETE
  std::string ufrag, pwd;
  Endpoint server;
};

/// What a caller offers: sendrecv Opus as payload type 111.
std::string offer_of(std::string_view ufrag, std::string_view pwd, std::string_view fingerprint);
/// What a client needs of an SDP answer; also of the HTTP response that carries it.
Answer read_answer(std::string_view sdp);
/// Throws std::runtime_error with what the server said if it did not answer with 201.
Answer post_offer(const Endpoint& http, const std::string& path, const std::string& offer);
void hang_up(const Endpoint& http, const std::string& location);

}  // namespace sluice::load
