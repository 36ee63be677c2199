// Builds one m-section of an offer, line by line. Internal to net/sdp.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "net/sdp/attributes.h"
#include "net/sdp/offer.h"
#include "net/sdp/text.h"

namespace sluice::sdp {

/// What stands before the first m= line and holds for m-lines that do not say otherwise.
struct SessionAttributes {
  TransportAttributes transport;
  std::optional<Direction> direction;
  std::vector<Extension> extensions;
};

/// The value of a=extmap, appended to `out`.
text::Status parse_extmap(std::string_view value, const text::Place& at, std::vector<Extension>& out);

class MediaBuilder {
 public:
  /// Takes the value of an m= line.
  text::Status open(std::string_view value, const text::Place& at);
  /// Takes one a= line; unknown names are ignored.
  text::Status attribute(std::string_view name, std::string_view value, const text::Place& at);
  /// Merges the session level in and gives the finished m-section away.
  Media finish(const SessionAttributes& session);

 private:
  struct Handler;
  static const Handler kHandlers[];

  text::Status formats(std::string_view value, const text::Place& at);
  text::Status mid(std::string_view value, const text::Place& at);
  text::Status rtpmap(std::string_view value, const text::Place& at);
  text::Status fmtp(std::string_view value, const text::Place& at);
  text::Status rtcp_fb(std::string_view value, const text::Place& at);
  text::Status extmap(std::string_view value, const text::Place& at);
  text::Status candidate(std::string_view value, const text::Place& at);
  text::Status ssrc(std::string_view value, const text::Place& at);
  text::Status ssrc_group(std::string_view value, const text::Place& at);
  text::Status msid(std::string_view value, const text::Place& at);
  text::Status sctp_port(std::string_view value, const text::Place& at);
  text::Status sctpmap(std::string_view value, const text::Place& at);
  text::Status max_message_size(std::string_view value, const text::Place& at);
  text::Status ptime(std::string_view value, const text::Place& at);
  text::Status maxptime(std::string_view value, const text::Place& at);
  bool flag(std::string_view name);
  OfferedCodec* codec(uint8_t pt);

  Media m_;
  std::optional<Direction> direction_;
  Feedback any_;                  // of a=rtcp-fb:*
  std::vector<uint32_t> repair_;  // second and further members of FID and FEC-FR groups
};

}  // namespace sluice::sdp
