#include "tests/client/peer.h"

#include <algorithm>

#include "net/rtcp/builder.h"
#include "net/wire/classify.h"

namespace sluice::test {
namespace {

constexpr uint32_t kAudioRate = 48'000, kVideoRate = 90'000;

Ssrc random_ssrc(crypto::Random random) { return Ssrc{random.u32() | 1}; }

}  // namespace

Peer::Peer(const PeerOptions& options, srtp::Cipher& cipher, crypto::Random random, Micros now)
    : options_(options),
      random_(random),
      ice_(options.ice, random),
      dtls_(options.dtls),
      srtp_(cipher),
      audio_(options.id, kAudio, random_ssrc(random), kAudioRate, options.audio, random),
      video_(options.id, kVideo, random_ssrc(random), kVideoRate, options.video_talk, random) {
  clock_offset_us_ = 1'700'000'000'000'000 + static_cast<int64_t>(random_.u32()) * 1000 - now.us;
}

std::string Peer::offer() const {
  OfferSpec s;
  s.role = options_.role;
  s.video = options_.video;
  s.ice = ice_.local();
  s.fingerprint = dtls_.fingerprint();
  if (options_.lie_about_certificate) s.fingerprint.digest[0] ^= 1;
  s.ssrc = {audio_.ssrc(), video_.ssrc()};
  return write_offer(s);
}

bool Peer::answer(std::string_view sdp, Micros now) {
  auto a = read_answer(sdp);
  if (!a) return false;
  answer_ = std::move(*a);
  ice_.set_remote(answer_.ice, answer_.candidates, now);
  return true;
}

std::string Peer::restart() {
  ice_.restart();
  return write_restart(ice_.local());
}

bool Peer::restarted(std::string_view fragment, Micros now) {
  const auto a = read_restart(fragment);
  if (!a) return false;
  ice_.set_remote(a->ice, a->candidates.empty() ? answer_.candidates : a->candidates, now);
  return true;
}

void Peer::send(std::vector<uint8_t> bytes) {
  if (!gone_ && ice_.selected() != nullptr && !bytes.empty())
    out_.push_back({*ice_.selected(), std::move(bytes)});
}

std::vector<Outgoing> Peer::take() {
  for (Outgoing& o : ice_.take()) out_.push_back(std::move(o));
  return std::exchange(out_, {});
}

void Peer::input(Bytes datagram, const Endpoint& from, Micros now) {
  if (gone_) return;
  switch (wire::classify(datagram)) {
    case wire::PacketClass::stun:
      ice_.input(datagram, from, now);
      break;
    case wire::PacketClass::dtls:
      if (dtls_started_) dtls_.input(datagram);
      break;
    case wire::PacketClass::rtp:
      on_media({datagram.begin(), datagram.end()}, false, now);
      break;
    case wire::PacketClass::rtcp:
      on_media({datagram.begin(), datagram.end()}, true, now);
      break;
    default:
      break;
  }
  pump(now);
}

void Peer::pump(Micros now) {
  if (!dtls_started_ && ice_.selected() != nullptr) {
    dtls_started_ = true;
    dtls_.start();
  }
  for (Datagram& d : dtls_.take()) send(std::move(d));
  if (dtls_.connected() && !srtp_.is_open() && !gone_) connect(now);
}

void Peer::connect(Micros now) {
  if (!srtp_.open(dtls_.keys())) return;
  next_report_ = now + options_.report_interval;
  if (!sends()) return;
  if (answer_.media[kAudio].accepted) audio_.start(now);
  if (options_.video && answer_.media[kVideo].accepted) video_.start(now);
}

void Peer::on_media(std::vector<uint8_t> packet, bool rtcp, Micros now) {
  if (!srtp_.is_open()) return refused_.add(Drop::srtp_no_keys);
  if (const Drop why = srtp_.unprotect(packet, rtcp); why != Drop::none) return refused_.add(why);
  rtcp ? on_rtcp(packet, now) : on_rtp(packet, now);
}

void Peer::on_rtp(Bytes packet, Micros now) {
  const auto header = rtp::parse_header(packet);
  const auto payload = header ? rtp::payload(*header, packet) : std::nullopt;
  if (!payload) return broken_.add(Drop::rtp_malformed);
  for (const Kind k : {kAudio, kVideo}) {
    if (!answer_.media[k].accepted || answer_.media[k].pt != header->payload_type) continue;
    if (stats_[k].source() != header->ssrc || !stats_[k].started())
      stats_[k] = rtp::ReceiveStats(header->ssrc, k == kAudio ? kAudioRate : kVideoRate);
    stats_[k].on_packet(header->seq, header->timestamp, now, static_cast<uint32_t>(packet.size()));
    listeners_[k].on_packet(*header, *payload, now);
    return;
  }
  broken_.add(Drop::rtp_unknown_payload);
}

void Peer::on_rtcp(Bytes packet, Micros now) {
  rtcp::CompoundReader reader(packet);
  rtcp::View v;
  while (reader.next(v)) on_rtcp_packet(v, now);
  if (!reader.ok()) ++rtcp_.malformed;
}

Kind Peer::kind_of(Ssrc ssrc) const {
  const auto& v = answer_.media[kVideo].ssrcs;
  return std::ranges::find(v, ssrc) != v.end() || ssrc == video_.ssrc() ? kVideo : kAudio;
}

void Peer::on_rtcp_packet(const rtcp::View& v, Micros now) {
  const auto note = [&](const rtcp::ReportBlocks& blocks) {
    for (size_t i = 0; i < blocks.size(); ++i) {
      ++rtcp_.report_blocks;
      rtcp_.last_block[kind_of(blocks[i].source)] = blocks[i];
    }
  };
  if (const auto sr = rtcp::parse_sender_report(v)) {
    ++rtcp_.sender_reports;
    const Kind k = kind_of(sr->sender);
    rtcp_.last_sr[k] = sr->info;
    rtcp_.last_sr_at[k] = now;
    if (stats_[k].source() == sr->sender) stats_[k].on_sender_report(sr->info.ntp, now);
    note(sr->blocks);
  }
  if (const auto rr = rtcp::parse_receiver_report(v)) note(rr->blocks);
  if (rtcp::parse_nack(v)) ++rtcp_.nacks;
  if (v.type == rtcp::Type::rtpfb && v.count == rtcp::kFmtTransportCc) ++rtcp_.twcc;
  if (rtcp::parse_pli(v)) {
    ++rtcp_.plis;
    video_.ask_key_frame();
  }
}

void Peer::timeout(Micros now) {
  if (gone_) return;
  ice_.timeout(now);
  if (dtls_started_ && !dtls_.connected() && dtls_.time_left() == Micros{}) dtls_.timeout();
  pump(now);
  talk(now);
  report(now);
}

void Peer::talk(Micros now) {
  if (!srtp_.is_open()) return;
  for (const Kind k : {kAudio, kVideo})
    for (auto& packet : talker(k).due(now, answer_.media[k])) {
      const auto header = rtp::parse_header(packet);
      send(srtp_.protect(std::move(packet), header->header_len, false));
    }
  if (!options_.nack) return;
  for (const Kind k : {kAudio, kVideo}) {
    const auto missing = listeners_[k].take_missing(now);
    if (missing.empty()) continue;
    std::array<uint8_t, 512> plain;
    rtcp::Builder b(plain);
    b.nack(talker(k).ssrc(), *listeners_[k].ssrc(), missing);
    send_rtcp(b.written());
  }
}

void Peer::report(Micros now) {
  if (now < next_report_) return;
  const auto permille = static_cast<int64_t>(500 + random_.u32() % 1001);
  next_report_ = now + options_.report_interval * permille / 1000;
  std::array<uint8_t, 512> plain;
  rtcp::Builder b(plain);
  for (const Kind k : {kAudio, kVideo}) {
    if (k == kVideo && !options_.video) continue;
    std::vector<rtcp::ReportBlock> blocks;
    if (stats_[k].started()) blocks.push_back(stats_[k].report(now));
    const Talker& t = talker(k);
    const NtpTime ntp = NtpTime::from_unix_us(static_cast<uint64_t>(now.us + clock_offset_us_));
    if (t.sent() > 0)
      b.sender_report(t.ssrc(), {ntp, t.rtp_at(now), t.sent(), static_cast<uint32_t>(t.octets())}, blocks);
    else
      b.receiver_report(t.ssrc(), blocks);
    b.sdes_cname(t.ssrc(), "peer");
  }
  send_rtcp(b.written());
}

void Peer::send_rtcp(Bytes plain) {
  if (plain.size() >= 8) send(srtp_.protect({plain.begin(), plain.end()}, 8, true));
}

void Peer::ask_key_frame() {
  const auto ssrc = listeners_[kVideo].ssrc();
  if (!srtp_.is_open() || !ssrc) return;
  std::array<uint8_t, 32> plain;
  rtcp::Builder b(plain);
  b.pli(video_.ssrc(), *ssrc);
  send_rtcp(b.written());
}

Micros Peer::deadline(Micros now) const {
  if (gone_) return kNever;
  Micros due = std::min({ice_.deadline(), audio_.deadline(), video_.deadline(), next_report_});
  if (dtls_started_ && !dtls_.connected())
    if (const auto left = dtls_.time_left()) due = std::min(due, now + *left);
  if (options_.nack && listeners_[kAudio].missing() + listeners_[kVideo].missing() > 0)
    due = std::min(due, now + millis(10));
  return due;
}

void Peer::stop_talking() {
  audio_.stop();
  video_.stop();
}

void Peer::leave() {
  if (dtls_.connected()) dtls_.close();
  for (Datagram& d : dtls_.take()) send(std::move(d));
  die();
}

void Peer::die() {
  gone_ = true;
  ice_.stop();
  next_report_ = kNever;
  stop_talking();
}

std::string Peer::problem() const {
  for (const Kind k : {kAudio, kVideo})
    if (!listeners_[k].problem().empty()) return listeners_[k].problem();
  if (rtcp_.malformed > 0) return "malformed RTCP";
  if (broken_[Drop::rtp_malformed] > 0) return "malformed RTP";
  if (broken_[Drop::rtp_unknown_payload] > 0) return "a payload type that was not negotiated";
  return {};
}

}  // namespace sluice::test
