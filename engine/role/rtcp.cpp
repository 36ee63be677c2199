// RTCP of a session: what the client reports and asks for, what we owe it.

#include <algorithm>

#include "engine/role/role.h"
#include "engine/shard/lifecycle.h"
#include "net/rtcp/builder.h"
#include "net/rtp/report_schedule.h"

namespace sluice::engine {
namespace {

/// Numbers answered per NACK message: a hostile list may name any.
constexpr uint32_t kRetransmitMax = 64;
constexpr size_t kNackBatch = 64;
/// What found no slot waits for so long: a shard that is always due never sleeps.
constexpr Micros kNoSlotRetry = millis(10);
/// A track without a packet for this long is left out of reports, and an idle session sends none.
constexpr Micros kIdleAfter = seconds(2);

void on_blocks(Core& c, uint32_t session, const rtcp::ReportBlocks& blocks) {
  for (size_t i = 0; i < blocks.size(); ++i)
    for (const MediaKind k : kBothKinds)
      if (TxTrack& t = c.tx_track(session, k); t.used) t.stats.on_report(blocks[i], c.ntp_now());
}

void on_sender_report(Core& c, uint32_t session, const rtcp::SenderReport& sr) {
  on_blocks(c, session, sr.blocks);
  const NtpTime ours = c.cold[session].clock.to_ours(sr.info.ntp, c.ntp_now());
  for (const MediaKind k : kBothKinds) {
    RxTrack& t = c.rx_track(session, k);
    if (!t.used || t.codec == 0 || t.ssrc != sr.sender) continue;
    t.stats.on_sender_report(sr.info.ntp, c.now);
    if (c.hot[session].role != Role::publish || c.now - t.sr_forwarded < RxTrack::kSrInterval) continue;
    t.sr_forwarded = c.now;
    forward_sr(c, session, k, t.ssrc, ours, sr.info.rtp);
  }
}

void on_nack(Core& c, uint32_t session, const rtcp::Nack& nack) {
  for (const MediaKind k : kBothKinds) {
    TxTrack& t = c.tx_track(session, k);
    if (!t.used || t.stats.ssrc() != nack.media) continue;
    uint32_t left = kRetransmitMax;
    nack.for_each([&](SeqNo seq) {
      ++t.nacks;
      if (left == 0) return;
      --left;
      retransmit(c, session, k, seq);
    });
  }
}

void on_key_frame_request(Core& c, uint32_t session, Ssrc media) {
  TxTrack& t = c.tx_track(session, MediaKind::video);
  if (!t.used || t.stats.ssrc() != media) return;
  ++t.plis;
  const SessionHot& h = c.hot[session];
  if (RoomLocal* room = c.room_of(h.room, h.room_gen)) ask_key_frame(c, *room, h.room);
}

void on_feedback(Core& c, uint32_t session, const rtcp::View& v) {
  if (const auto nack = rtcp::parse_nack(v)) on_nack(c, session, *nack);
  if (const auto pli = rtcp::parse_pli(v)) on_key_frame_request(c, session, pli->media);
  if (const auto fir = rtcp::parse_fir(v))
    for (size_t i = 0; i < fir->size(); ++i) on_key_frame_request(c, session, (*fir)[i].media);
}

/// In a slot of its own, protected and sent.
void send_rtcp(Core& c, uint32_t session, SlotIndex slot, size_t len) {
  if (len < 8) return c.pool.drop(slot);
  const uint8_t* body = c.pool.slot_bytes(slot) + kHeadroom + 8;
  c.protect(session, slot, 8, Bytes(body, len - 8), true);
  c.flush_protect();
}

/// The RTCP that one m-line of a session owes.
void add_track_report(Core& c, uint32_t session, MediaKind k, rtcp::Builder& out) {
  const TrackSpec& spec = c.cold[session].spec.track[static_cast<size_t>(k)];
  if (!spec.used) return;
  RxTrack& rx = c.rx_track(session, k);
  TxTrack& tx = c.tx_track(session, k);
  std::array<rtcp::ReportBlock, 1> block;
  size_t blocks = 0;
  if (rx.used && rx.codec != 0 && c.now - rx.last_rtp < kIdleAfter) block[blocks++] = rx.stats.report(c.now);
  const std::span<const rtcp::ReportBlock> reported(block.data(), blocks);
  const auto info = tx.used ? tx.stats.sender_info(c.ntp_now()) : std::nullopt;
  if (info && tx.stats.packets() != tx.reported_at_packets) {
    out.sender_report(spec.tx_ssrc, *info, reported);
    tx.reported_at_packets = tx.stats.packets();
  } else if (blocks > 0) {
    out.receiver_report(spec.tx_ssrc, reported);
  } else {
    return;
  }
  out.sdes_cname(spec.tx_ssrc, c.cold[session].spec.cname.view());
}

void send_nacks(Core& c, uint32_t session) {
  RxTrack& t = c.rx_track(session, MediaKind::video);
  auto& tracker = c.feedback[session].nack;
  const Micros rtt = c.agents[session].rtt();
  std::array<SeqNo, kNackBatch> missing;
  const size_t n = tracker.take_due(c.now, rtt, missing);
  c.cold[session].next_nack = tracker.missing() > 0 ? tracker.next_deadline(rtt) : kNever;
  if (tracker.take_key_frame_needed()) send_pli(c, session);
  if (n == 0) return;
  const SlotIndex slot = c.take_slot();
  if (slot == kNoSlot) return;
  const Ssrc ours = c.cold[session].spec.track[static_cast<size_t>(MediaKind::video)].tx_ssrc;
  const MutBytes out(c.pool.slot_bytes(slot) + kHeadroom, kMaxDatagram);
  send_rtcp(c, session, slot, rtcp::write_nack(out, ours, t.ssrc, {missing.data(), n}));
}

void send_twcc(Core& c, uint32_t session) {
  auto& recorder = c.feedback[session].twcc;
  const TrackSpec& audio = c.cold[session].spec.track[0];
  const Ssrc ours = audio.used ? audio.tx_ssrc : c.cold[session].spec.track[1].tx_ssrc;
  Micros earliest = c.now;
  while (c.now >= recorder.next_deadline()) {
    const SlotIndex slot = c.take_slot();
    if (slot == kNoSlot) {
      earliest = c.now + kNoSlotRetry;
      break;
    }
    const size_t n = recorder.take_feedback({c.pool.slot_bytes(slot) + kHeadroom, 1200}, ours, c.now);
    if (n == 0) {
      c.pool.drop(slot);
      break;
    }
    send_rtcp(c, session, slot, n);
  }
  c.cold[session].next_twcc = std::max(recorder.next_deadline(), earliest);
  c.hot[session].twcc_armed = c.cold[session].next_twcc != kNever;
}

bool is_active(Core& c, uint32_t session) {
  for (const MediaKind k : kBothKinds) {
    const RxTrack& rx = c.rx_track(session, k);
    const TxTrack& tx = c.tx_track(session, k);
    if (rx.used && rx.codec != 0 && c.now - rx.last_rtp < kIdleAfter) return true;
    if (tx.used && tx.stats.packets() != tx.reported_at_packets) return true;
  }
  return false;
}

}  // namespace

bool on_rtcp(Core& c, uint32_t session, Bytes compound) {
  rtcp::CompoundReader reader(compound);
  rtcp::View v;
  while (reader.next(v)) {
    switch (v.type) {
      case rtcp::Type::sender_report:
        if (const auto sr = rtcp::parse_sender_report(v)) on_sender_report(c, session, *sr);
        break;
      case rtcp::Type::receiver_report:
        if (const auto rr = rtcp::parse_receiver_report(v)) on_blocks(c, session, rr->blocks);
        break;
      case rtcp::Type::rtpfb:
      case rtcp::Type::psfb:
        on_feedback(c, session, v);
        break;
      default:
        break;
    }
  }
  return reader.ok();
}

void send_due_reports(Core& c, uint32_t session) {
  SessionCold& cold = c.cold[session];
  if (c.now < cold.next_report) return;
  const bool active = is_active(c, session);
  if (const SlotIndex slot = active ? c.take_slot() : kNoSlot; slot != kNoSlot) {
    rtcp::Builder out({c.pool.slot_bytes(slot) + kHeadroom, 1200});
    for (const MediaKind k : kBothKinds) add_track_report(c, session, k, out);
    send_rtcp(c, session, slot, out.size());
  }
  // An idle session costs nothing: the next packet sets the timer again.
  cold.next_report =
      active ? c.now + rtp::report_delay(rtp::kAudioReportInterval, c.random.view().u32()) : kNever;
  c.hot[session].reports_armed = active;
  publish_report(c, session);
}

void send_due_feedback(Core& c, uint32_t session) {
  const SessionCold& cold = c.cold[session];
  if (c.now >= cold.next_twcc) send_twcc(c, session);
  if (c.now >= cold.next_nack) send_nacks(c, session);
  if (c.now >= c.rx_track(session, MediaKind::video).key_frame_due()) send_pli(c, session);
}

}  // namespace sluice::engine
