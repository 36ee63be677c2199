// SRTP and SRTCP of sessions owned here.

#include <algorithm>

#include "engine/role/role.h"
#include "engine/shard/lifecycle.h"
#include "net/base/prefetch.h"
#include "net/rtp/report_schedule.h"
#include "net/wire/classify.h"

namespace sluice::engine {
namespace {

/// A source that has been quiet for this long may be followed by another SSRC of the same track.
constexpr Micros kSourceSilence = millis(200);

struct Placed {
  RxTrack* track = nullptr;
  MediaKind media = MediaKind::audio;
  uint8_t codec = 0;
};

/// Payload types are unique over the m-lines of a bundle (net/sdp/negotiate.h), so they name the track.
Placed place(Core& c, uint32_t session, uint8_t pt) {
  for (const MediaKind k : kBothKinds) {
    RxTrack& t = c.rx_track(session, k);
    if (!t.used) continue;
    if (const uint8_t codec = t.codec_of(pt)) return {&t, k, codec};
  }
  return {};
}

/// One source at a time per track: the first, and another once that one is silent.
bool is_current_source(Core& c, uint32_t session, RxTrack& t, const rtp::Header& header) {
  if (t.codec != 0 && t.ssrc == header.ssrc) return true;
  if (t.codec != 0 && c.now - t.last_rtp < kSourceSilence) return false;
  t.ssrc = header.ssrc;
  t.stats = rtp::ReceiveStats(header.ssrc, t.clock_rate);
  if (&t == &c.rx_track(session, MediaKind::video)) c.feedback[session].nack.reset();
  return true;
}

void note_feedback(Core& c, uint32_t session, MediaKind media, const RxTrack& t, const rtp::Header& header,
                   const rtp::KnownExtensions& ext) {
  Feedback& f = c.feedback[session];
  if (t.transport_cc && ext.transport_seq) {
    f.twcc.on_packet(*ext.transport_seq, header.ssrc, c.now);
    if (!c.hot[session].twcc_armed) {
      c.hot[session].twcc_armed = true;
      c.cold[session].next_twcc = f.twcc.next_deadline();
      c.wake_at(session, c.cold[session].next_twcc);
    }
  }
  if (media != MediaKind::video || !t.nack) return;
  f.nack.on_packet(header.seq, c.now);
  if (f.nack.take_key_frame_needed()) send_pli(c, session);
  if (f.nack.missing() == 0) return;
  SessionCold& cold = c.cold[session];
  cold.next_nack = std::min(cold.next_nack, f.nack.next_deadline(c.agents[session].rtt()));
  c.wake_at(session, cold.next_nack);
}

void arm_reports(Core& c, uint32_t session) {
  SessionCold& cold = c.cold[session];
  c.hot[session].reports_armed = true;
  cold.next_report = c.now + rtp::report_delay(rtp::kAudioReportInterval, c.random.view().u32(), true);
  c.wake_at(session, cold.next_report);
}

void dispatch(Core& c, uint32_t session, const Placed& at, const rtp::Header& header, const Packet& p,
              uint64_t index) {
  const auto payload = rtp::payload(header, c.pool.payload(p));
  if (!payload) return c.drop(p, Drop::rtp_malformed, session);
  if (c.hot[session].role == Role::agent) return echo_rtp(c, session, at.media, p, index);
  SourcePacket src;
  src.source = {c.key_of(session).packed(), header.ssrc};
  src.index = index;
  src.media = at.media;
  src.codec = at.codec;
  src.level_id = at.track->ext.id(rtp::ExtKind::audio_level);
  src.orientation_id = at.track->ext.id(rtp::ExtKind::video_orientation);
  src.header = header;
  src.payload = *payload;
  forward_rtp(c, session, src, p);
  c.release_later(p);
}

/// The lines that a batch is about to touch, level by level of indirection: at thousands of sessions a packet
/// costs what its cache misses cost.
void prefetch_batch(const Core& c, std::span<const Routed> in) {
  const auto lines = [](const void* at, size_t bytes) {
    for (size_t line = 0; line < bytes; line += 64)
      prefetch(static_cast<const std::byte*>(at) + line);
  };
  for (const Routed& r : in) {
    if (r.session == Core::kNoSession) continue;
    lines(&c.hot[r.session], sizeof(SessionHot));
    lines(&c.inbound[r.session], sizeof(srtp::Inbound));
    lines(&c.rx[r.session * kMediaKinds], sizeof(RxTrack));
  }
  for (const Routed& r : in)
    if (r.session != Core::kNoSession && c.hot[r.session].room < c.rooms.size())
      lines(&c.rooms[c.hot[r.session].room], 64);
}

/// The first players of each publisher's room; deliver_to_players() looks ahead for the others.
void prefetch_players(const Core& c, std::span<const Routed> in) {
  const auto list_of = [&](const Routed& r) -> const MemberLists::List* {
    const uint32_t room = c.hot[r.session].room;
    return room < c.rooms.size() && c.rooms[room].players.size > 0 ? &c.rooms[room].players : nullptr;
  };
  for (const Routed& r : in)
    if (const auto* list = list_of(r)) c.members.prefetch(*list);
  for (const Routed& r : in)
    if (const auto* list = list_of(r))
      c.members.for_first(*list, [&](uint32_t player) { c.prefetch_player(player); });
}

void on_rtp(Core& c, uint32_t session, const Packet& p, uint64_t index) {
  const auto header = rtp::parse_header(c.pool.payload(p));
  if (!header) return c.drop(p, Drop::rtp_malformed, session);
  const Placed at = place(c, session, header->payload_type);
  if (at.track == nullptr) {
    const bool may_send = c.hot[session].role != Role::play;
    return c.drop(p, may_send ? Drop::rtp_unknown_payload : Drop::rtp_not_publishing, session);
  }
  RxTrack& t = *at.track;
  if (!is_current_source(c, session, t, *header)) return c.drop(p, Drop::not_primary_stream, session);
  t.codec = at.codec;
  t.last_rtp = c.now;
  t.stats.on_packet(header->seq, header->timestamp, c.now, p.len);
  t.rate.add(c.now, p.len);
  const rtp::KnownExtensions ext = rtp::read_extensions(*header, t.ext);
  if (ext.audio_level) t.level.add(c.now, ext.audio_level->level);
  note_feedback(c, session, at.media, t, *header, ext);
  SessionHot& h = c.hot[session];
  if (!h.rtp_in) h.rtp_in = true, c.cold[session].first_rtp_in_at = c.now;
  if (!h.reports_armed) arm_reports(c, session);
  if (t.key_frame_wanted && at.media == MediaKind::video) send_pli(c, session);
  dispatch(c, session, at, *header, p, index);
}

/// Whether the packet advances its stream, told before the statistics take note of it.
bool is_newest(Core& c, uint32_t session, Bytes packet) {
  const auto header = rtp::parse_header(packet);
  if (!header) return false;
  for (const MediaKind k : kBothKinds) {
    const RxTrack& t = c.rx_track(session, k);
    if (!t.used || t.ssrc != header->ssrc || !t.stats.started()) continue;
    return header->seq.newer_than(SeqNo{static_cast<uint16_t>(t.stats.highest_seq())});
  }
  return true;
}

void on_authentic(Core& c, uint32_t session, Packet& p, const srtp::RxJob& job) {
  SessionHot& h = c.hot[session];
  h.srtp_seen = true;
  p.len = job.out_len;
  const ice::PathAddress from = path_of(p);
  if (!h.path_settled || !from.same_path(h.path) || !same_leg(from.ifindex, h.path.ifindex)) [[unlikely]] {
    const SessionKey key = c.key_of(session);
    authentic(c, session, from, !job.rtcp && is_newest(c, session, c.pool.payload(p)));
    if (!c.owns(key)) return c.drop(p, Drop::session_closed);
  }
  if (!job.rtcp) return on_rtp(c, session, p, job.index);
  if (!on_rtcp(c, session, c.pool.payload(p))) return c.drop(p, Drop::rtcp_malformed, session);
  c.release(p);
}

}  // namespace

void media_batch(Core& c, std::span<const Routed> in) {
  std::array<srtp::RxJob, kRxBurst> jobs;
  std::array<Routed, kRxBurst> who;
  size_t n = 0;
  prefetch_batch(c, in);
  for (const Routed& r : in) {
    Packet& p = *r.packet;
    if (r.session == Core::kNoSession || c.hot[r.session].gen == 0) {
      c.drop(p, Drop::miss);
      continue;
    }
    SessionHot& h = c.hot[r.session];
    ++h.rx_packets;
    h.rx_bytes += p.len;
    if (!c.inbound[r.session].is_open()) {
      c.drop(p, Drop::srtp_no_keys, r.session);
      continue;
    }
    jobs[n] = srtp::RxJob{};
    jobs[n].in = &c.inbound[r.session];
    jobs[n].data = c.pool.payload(p).data();
    jobs[n].len = p.len;
    jobs[n].rtcp = static_cast<wire::PacketClass>(p.kind) == wire::PacketClass::rtcp;
    who[n++] = r;
  }
  prefetch_players(c, {who.data(), n});
  srtp::unprotect(*c.cipher, {jobs.data(), n});
  for (size_t i = 0; i < n; ++i) {
    Packet& p = *who[i].packet;
    if (jobs[i].result != Drop::none)
      c.drop(p, jobs[i].result, who[i].session);
    else if (c.hot[who[i].session].phase != Phase::connected)
      c.drop(p, Drop::session_closed);
    else
      on_authentic(c, who[i].session, p, jobs[i]);
  }
  c.flush_protect();
}

}  // namespace sluice::engine
