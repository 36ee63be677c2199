// The SDP of a WebRTC client: an offer as a browser would write it, and what it needs of the answer.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/base/endpoint.h"
#include "net/base/units.h"
#include "net/dtls/fingerprint.h"

namespace sluice::client {

struct IceCredentials {
  std::string ufrag, pwd;
};

enum class CallRole : uint8_t { publish, play, agent };
enum Kind : uint8_t { kAudio = 0, kVideo = 1 };

struct OfferSpec {
  CallRole role = CallRole::publish;
  bool video = false;
  IceCredentials ice;
  dtls::Fingerprint fingerprint;
  std::array<Ssrc, 2> ssrc;  ///< index: Kind
  std::string cname = "peer";
};
std::string write_offer(const OfferSpec& spec);
/// application/trickle-ice-sdpfrag with new credentials.
std::string write_restart(const IceCredentials& ice);

struct AnsweredMedia {
  bool accepted = false;
  bool sends = false;  ///< the server does
  uint8_t pt = 0;
  uint8_t mid_id = 0, level_id = 0, transport_seq_id = 0;
  std::string mid;
  std::vector<Ssrc> ssrcs;
};
struct Answer {
  IceCredentials ice;
  std::vector<Endpoint> candidates;
  std::optional<dtls::Fingerprint> fingerprint;
  std::array<AnsweredMedia, 2> media;
};
std::optional<Answer> read_answer(std::string_view sdp);
/// The answer to an ICE restart: credentials and candidates only.
std::optional<Answer> read_restart(std::string_view fragment);

}  // namespace sluice::client
