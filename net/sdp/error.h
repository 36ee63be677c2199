// What is wrong with a session description, said so that its author can mend it.
#pragma once

#include <cstdint>
#include <string>

namespace sluice::sdp {

enum class ErrorKind : uint8_t {
  malformed,    ///< not SDP, or SDP that breaks a rule of its RFCs (HTTP 400)
  unsupported,  ///< well-formed, but nothing here can serve it (HTTP 406)
};

struct Error {
  ErrorKind kind = ErrorKind::malformed;
  std::string field;    ///< "offer", "offer.m[1].rtpmap", "fragment.ice-pwd"; at most 63 characters
  std::string message;  ///< one sentence without a newline; at most 255 characters, printable ASCII
  std::string fix;      ///< one sentence: what to do about it; at most 255 characters
  uint32_t line = 0;    ///< 1 is the first line; 0: no single line is at fault
};

}  // namespace sluice::sdp
