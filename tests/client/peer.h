// A whole WebRTC client, sans-IO: offer, ICE, DTLS by OpenSSL, SRTP, RTP and RTCP. The simulator moves its
// datagrams between it and a shard.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "net/rtcp/compound.h"
#include "net/rtp/receive_stats.h"
#include "net/rtp/sender_stats.h"
#include "net/srtp/cipher.h"
#include "tests/client/ice.h"
#include "tests/client/media.h"
#include "tests/client/offer.h"
#include "tests/client/srtp_link.h"
#include "tests/unit/dtls/client.h"

namespace sluice::test {

struct PeerOptions {
  uint32_t id = 1;  ///< in every payload it sends
  CallRole role = CallRole::publish;
  bool video = false;
  bool nack = false;  ///< asks for what it misses
  IceOptions ice;
  ClientOptions dtls;
  TalkerOptions audio;
  TalkerOptions video_talk{.interval = millis(33), .payload = 900, .talk = {}, .silence = {}, .burst = 3};
  Micros report_interval = seconds(1);
  /// The offer names a certificate that is not ours.
  bool lie_about_certificate = false;
};

/// What RTCP said so far.
struct RtcpSeen {
  uint64_t sender_reports = 0, report_blocks = 0, plis = 0, nacks = 0, twcc = 0, malformed = 0;
  std::array<std::optional<rtp::SenderInfo>, 2> last_sr;  ///< index: Kind
  std::array<Micros, 2> last_sr_at;
  std::array<std::optional<rtp::ReportBlock>, 2> last_block;  ///< about what we send
};

class Peer {
 public:
  /// `cipher` must outlive this, `random` too.
  Peer(const PeerOptions& options, srtp::Cipher& cipher, crypto::Random random, Micros now);

  std::string offer() const;
  /// False if it is not an answer to be used.
  bool answer(std::string_view sdp, Micros now);
  /// Begins an ICE restart: the fragment to PATCH.
  std::string restart();
  bool restarted(std::string_view fragment, Micros now);

  void input(Bytes datagram, const Endpoint& from, Micros now);
  void timeout(Micros now);
  Micros deadline(Micros now) const;
  std::vector<Outgoing> take();

  /// Sends close_notify, then nothing any more.
  void leave();
  /// Sends nothing any more and answers nothing, as if its process had died.
  void die();
  void stop_talking();
  void ask_key_frame();

  bool connected() const { return srtp_.is_open(); }
  /// DTLS failed, consent was lost or the server said goodbye.
  bool over(Micros now) const { return dtls_.failed() || dtls_.got_close_notify() || ice_.consent_lost(now); }
  bool gone() const { return gone_; }

  const PeerOptions& options() const { return options_; }
  const IceClient& ice() const { return ice_; }
  const Client& dtls() const { return dtls_; }
  const Answer& answered() const { return answer_; }
  Talker& talker(Kind k) { return k == kAudio ? audio_ : video_; }
  const Talker& talker(Kind k) const { return k == kAudio ? audio_ : video_; }
  const Listener& listener(Kind k) const { return listeners_[k]; }
  const RtcpSeen& rtcp() const { return rtcp_; }
  uint64_t refused(Drop why) const { return refused_[why]; }
  /// Empty while everything that came was as it should be.
  std::string problem() const;

 private:
  void send(std::vector<uint8_t> bytes);
  void pump(Micros now);
  void connect(Micros now);
  void on_media(std::vector<uint8_t> packet, bool rtcp, Micros now);
  void on_rtp(Bytes packet, Micros now);
  void on_rtcp(Bytes packet, Micros now);
  void on_rtcp_packet(const rtcp::View& v, Micros now);
  void talk(Micros now);
  void report(Micros now);
  void send_rtcp(Bytes plain);
  Kind kind_of(Ssrc ssrc) const;
  bool sends() const { return options_.role != CallRole::play; }

  PeerOptions options_;
  crypto::Random random_;
  IceClient ice_;
  Client dtls_;
  SrtpLink srtp_;
  Answer answer_;
  Talker audio_, video_;
  std::array<Listener, 2> listeners_;
  std::array<rtp::ReceiveStats, 2> stats_;
  RtcpSeen rtcp_;
  DropCounters refused_;
  DropCounters broken_;  ///< authentic, and yet wrong
  std::vector<Outgoing> out_;
  bool dtls_started_ = false;
  bool gone_ = false;
  Micros next_report_ = kNever;
  int64_t clock_offset_us_ = 0;
};

}  // namespace sluice::test
