// A publisher's packets on their way to the players of its room.

#include <algorithm>
#include <bit>
#include <memory>

#include "engine/role/role.h"
#include "engine/shard/lifecycle.h"
#include "net/rtcp/feedback.h"
#include "net/rtp/report_schedule.h"

namespace sluice::engine {
namespace {

/// Slots that histories leave alone, as a share of the pool: what is on its way comes first.
constexpr uint32_t kHistoryReserve = 4;
/// Between two requests to another shard for a room's key frame: its publisher is asked more rarely still,
/// and a player may ask as often as it likes.
constexpr Micros kAskInterval = millis(50);

constexpr size_t at(MediaKind k) { return static_cast<size_t>(k); }

void drain_history(Core& c, rtp::History& history) {
  history.drain([&](SlotIndex s) {
    c.pool.drop(s);
    --c.slots_in_history;
  });
}

/// The memory of a room's histories is touched when the first player comes.
void open_histories(Core& c, RoomLocal& room, uint32_t room_index) {
  if (room.history[0].capacity() != 0) return;
  const auto memory = c.history_memory.subspan(size_t{room_index} * (kAudioHistory + kVideoHistory),
                                               kAudioHistory + kVideoHistory);
  room.history[at(MediaKind::audio)] = rtp::History(memory.first(kAudioHistory));
  room.history[at(MediaKind::video)] = rtp::History(memory.subspan(kAudioHistory));
}

void keep(Core& c, RoomLocal& room, const SourcePacket& src, const Packet& p) {
  rtp::History& history = room.history[at(src.media)];
  if (history.capacity() == 0) return;
  if (c.pool.free() < c.pool.capacity() / kHistoryReserve) {
    // What is kept of rooms gone quiet must not starve all others for good: whoever speaks gives up its own.
    if (history.size() > 0) drain_history(c, history);
    return;
  }
  const HistoryTraits traits{src.source, src.codec, src.level_id, src.orientation_id};
  if (room.history_of[at(src.media)] != traits) {
    drain_history(c, history);
    room.history_of[at(src.media)] = traits;
  }
  c.pool.share(p.slot);
  ++c.slots_in_history;
  const SlotIndex out = history.put(src.index, p.slot, p.offset, p.len);
  if (out == kNoSlot) return;
  c.pool.drop(out);
  --c.slots_in_history;
}

void deliver_to_players(Core& c, RoomLocal& room, const SourcePacket& src, const Packet& p) {
  c.members.for_each_ahead(
      room.players, [&](uint32_t player) { c.prefetch_player(player); },
      [&](uint32_t player) { deliver(c, player, src); });
  if (room.nack_players[at(src.media)] > 0) keep(c, room, src, p);
}

void lend_to_shards(Core& c, const RoomLocal& room, uint32_t room_index, const SourcePacket& src,
                    const Packet& p) {
  PeerMessage m;
  m.kind = PeerMessage::Kind::room_rtp;
  m.media = src.media;
  m.codec = src.codec;
  m.level_id = src.level_id;
  m.orientation_id = src.orientation_id;
  m.room = room_index;
  m.room_gen = room.gen;
  m.session = SessionKey::unpack(src.source.publisher);
  m.index = src.index;
  m.packet = p;
  for (uint64_t left = room.shards_with_players & ~(uint64_t{1} << c.id.v); left != 0; left &= left - 1) {
    c.pool.share(p.slot);
    c.lend(ShardId{static_cast<uint8_t>(std::countr_zero(left))}, m);
  }
}

/// The header is a function of the packet and of what was negotiated, nothing else: a retransmission must
/// become the same bytes under the same SRTP index (net/srtp/srtp.h).
size_t write_header(const TxTrack& t, const SourcePacket& src, const rtp::Splice::Out& out, MutBytes dst) {
  rtp::ElementList elements;
  if (t.mid_id != 0) elements.add_mid(t.mid_id, t.mid.view());
  if (t.level_id != 0 && src.level_id != 0)
    if (const auto level = src.header.find(src.level_id)) elements.add(t.level_id, *level);
  if (t.orientation_id != 0 && src.orientation_id != 0)
    if (const auto o = src.header.find(src.orientation_id)) elements.add(t.orientation_id, *o);
  const rtp::Fields fields{.marker = src.header.marker,
                           .payload_type = t.pt[src.codec],
                           .seq = out.seq,
                           .timestamp = out.timestamp,
                           .ssrc = t.stats.ssrc()};
  return rtp::write_header(dst, fields, elements);
}

void account(Core& c, uint32_t session, TxTrack& t, const SourcePacket& src, const rtp::Splice::Out& out,
             size_t header, bool again) {
  const auto payload = static_cast<uint32_t>(src.payload.size());
  t.codec = src.codec;
  if (again) return t.stats.on_retransmission(payload);
  if (t.again_left < TxTrack::kAgainMax) ++t.again_left;
  t.stats.on_sent(out.timestamp, payload, c.ntp_now());
  t.rate.add(c.now, static_cast<uint32_t>(header) + payload);
  if (src.level_id != 0)
    if (const auto raw = src.header.find(src.level_id))
      if (const auto level = rtp::read_audio_level(*raw)) t.level.add(c.now, level->level);
  SessionHot& h = c.hot[session];
  if (!h.rtp_out) h.rtp_out = true, c.cold[session].first_rtp_out_at = c.now;
  if (h.reports_armed) return;
  h.reports_armed = true;
  SessionCold& cold = c.cold[session];
  cold.next_report = c.now + rtp::report_delay(rtp::kAudioReportInterval, c.random.view().u32(), true);
  c.wake_at(session, cold.next_report);
}

void send_copy(Core& c, uint32_t session, TxTrack& t, const SourcePacket& src, const rtp::Splice::Out& out,
               bool again) {
  const SlotIndex slot = c.take_slot();
  if (slot == kNoSlot) return;
  const size_t header = write_header(t, src, out, {c.pool.slot_bytes(slot) + kHeadroom, kMaxDatagram});
  if (header + src.payload.size() > kMaxDatagram) {
    c.pool.drop(slot);
    return c.count_unsent(Drop::oversize, session);
  }
  account(c, session, t, src, out, header, again);
  c.protect(session, slot, static_cast<uint16_t>(header), src.payload);
}

}  // namespace

void deliver(Core& c, uint32_t session, const SourcePacket& src) {
  TxTrack& t = c.tx_track(session, src.media);
  if (!t.used || t.pt[src.codec] == 0xff) return c.count_unsent(Drop::not_negotiated, session);
  if (t.splice.source() != src.source) {
    t.splice.switch_to(src.source);
    t.stats.drop_anchor();
  }
  const auto out = t.splice.map(src.source, src.index, src.header.timestamp, c.now);
  if (!out) return c.count_unsent(Drop::not_primary_stream, session);
  send_copy(c, session, t, src, *out, false);
}

void forward_rtp(Core& c, uint32_t publisher, const SourcePacket& src, const Packet& p) {
  const SessionHot& h = c.hot[publisher];
  RoomLocal* room = c.room_of(h.room, h.room_gen);
  if (room == nullptr || room->publisher != c.key_of(publisher))
    return c.count(Drop::rtp_not_publishing, publisher);
  if (room->shards_with_players == 0 && room->players.size == 0)
    return c.count(Drop::no_subscriber, publisher);
  lend_to_shards(c, *room, h.room, src, p);
  if (room->players.size > 0) deliver_to_players(c, *room, src, p);
}

void join_room(Core& c, uint32_t session) {
  const SessionHot& h = c.hot[session];
  if (h.room >= c.rooms.size()) return;
  RoomLocal& room = c.rooms[h.room];
  if (room.gen != h.room_gen) {
    // The control thread's word on the room is still on its way; it will find the players here.
    close_room(c, h.room, room.gen);
    room.gen = h.room_gen;
  }
  open_histories(c, room, h.room);
  if (!c.members.add(room.players, session)) return;
  for (const MediaKind k : kBothKinds)
    if (c.tx_track(session, k).nack) ++room.nack_players[at(k)];
  if (c.tx_track(session, MediaKind::video).used) ask_key_frame(c, room, h.room);
}

void update_room(Core& c, const Command& command) {
  RoomLocal& room = c.rooms[command.room];
  // A player may have joined the next generation while this was on its way.
  if (static_cast<int32_t>(command.room_gen - room.gen) < 0) return;
  if (room.gen != command.room_gen) {
    close_room(c, command.room, room.gen);
    room.gen = command.room_gen;
  }
  const bool new_publisher = room.publisher != command.session;
  room.publisher = command.session;
  room.publisher_shard = command.publisher_shard;
  room.shards_with_players = command.shards_with_players;
  if (new_publisher && room.players.size > 0) ask_key_frame(c, room, command.room);
}

void close_room(Core& c, uint32_t room_index, uint32_t gen) {
  RoomLocal& room = c.rooms[room_index];
  if (room.gen != gen || gen == 0) return;
  c.members.clear(room.players);
  for (rtp::History& h : room.history) drain_history(c, h);
  std::construct_at(&room);
}

void on_room_message(Core& c, const PeerMessage& m, const Packet* p) {
  RoomLocal* room = c.room_of(m.room, m.room_gen);
  if (room == nullptr) {
    if (p != nullptr) c.count_unsent(Drop::session_closed);
    return;
  }
  if (m.kind == PeerMessage::Kind::key_frame) {
    if (room->publisher && c.owns(room->publisher)) send_pli(c, room->publisher.index);
    return;
  }
  if (room->publisher != m.session) {
    // Of a publisher that was replaced while this was on its way, or whose room is about to be told of it: a
    // stream that is spliced to and fro would be worse than a gap.
    if (p != nullptr) c.count_unsent(Drop::rtp_not_publishing);
    return;
  }
  if (m.kind == PeerMessage::Kind::room_sr) {
    const rtp::Source source{m.session.packed(), m.ssrc};
    c.members.for_each(room->players, [&](uint32_t player) {
      TxTrack& t = c.tx_track(player, m.media);
      if (t.splice.source() != source) return;
      if (const auto rtp = t.splice.map_time(m.rtp)) t.stats.anchor({m.ntp, *rtp});
    });
    return;
  }
  if (room->players.size == 0) return c.count_unsent(Drop::no_subscriber);
  const auto header = rtp::parse_header(c.pool.payload(*p));
  if (!header) return c.count_unsent(Drop::rtp_malformed);
  const auto payload = rtp::payload(*header, c.pool.payload(*p));
  if (!payload) return c.count_unsent(Drop::rtp_malformed);
  SourcePacket src{.source = {m.session.packed(), header->ssrc},
                   .index = m.index,
                   .media = m.media,
                   .codec = m.codec,
                   .level_id = m.level_id,
                   .orientation_id = m.orientation_id,
                   .header = *header,
                   .payload = *payload};
  deliver_to_players(c, *room, src, *p);
}

void ask_key_frame(Core& c, RoomLocal& room, uint32_t room_index) {
  if (!room.publisher) return;
  if (room.publisher_shard == c.id) {
    if (c.owns(room.publisher)) send_pli(c, room.publisher.index);
    return;
  }
  if (c.now - room.key_frame_asked < kAskInterval) return;
  room.key_frame_asked = c.now;
  PeerMessage m;
  m.kind = PeerMessage::Kind::key_frame;
  m.media = MediaKind::video;
  m.room = room_index;
  m.room_gen = room.gen;
  if (c.ports.to_peer[room.publisher_shard.v]->try_push(m))
    c.peers_to_wake |= uint64_t{1} << room.publisher_shard.v;
}

void send_pli(Core& c, uint32_t publisher) {
  RxTrack& t = c.rx_track(publisher, MediaKind::video);
  if (!t.used) return;
  t.key_frame_wanted = true;
  // Before its first packet nothing is known that could be asked for; on_rtp() comes back.
  if (t.codec == 0) return;
  if (c.now < t.key_frame_due()) return c.wake_at(publisher, t.key_frame_due());
  t.key_frame_wanted = false;
  t.key_frame_asked = c.now;
  ++t.plis;
  const SlotIndex slot = c.take_slot();
  if (slot == kNoSlot) return;
  uint8_t* out = c.pool.slot_bytes(slot) + kHeadroom;
  const Ssrc ours = c.cold[publisher].spec.track[at(MediaKind::video)].tx_ssrc;
  const size_t n = rtcp::write_pli({out, kMaxDatagram}, {ours, t.ssrc});
  c.protect(publisher, slot, 8, Bytes(out + 8, n - 8), true);
  c.flush_protect();
}

void retransmit(Core& c, uint32_t player, MediaKind media, SeqNo out_seq) {
  const SessionHot& h = c.hot[player];
  const RoomLocal* room = c.room_of(h.room, h.room_gen);
  TxTrack& t = c.tx_track(player, media);
  if (room == nullptr || room->history_of[at(media)].source != t.splice.source()) return;
  const auto index = t.splice.source_index(out_seq);
  if (!index) return;
  const rtp::History::Entry* e = room->history[at(media)].find(*index);
  if (e == nullptr) return;
  const Bytes packet(c.pool.slot_bytes(e->slot) + e->offset, e->len);
  const auto header = rtp::parse_header(packet);
  const auto payload = header ? rtp::payload(*header, packet) : std::nullopt;
  if (!payload) return;
  const HistoryTraits& traits = room->history_of[at(media)];
  if (t.pt[traits.codec] == 0xff || t.again_left == 0) return;
  --t.again_left;
  SourcePacket src{.source = traits.source,
                   .index = *index,
                   .media = media,
                   .codec = traits.codec,
                   .level_id = traits.level_id,
                   .orientation_id = traits.orientation_id,
                   .header = *header,
                   .payload = *payload};
  send_copy(c, player, t, src, t.splice.map_again(*index, header->timestamp), true);
  // The history may let go of it before it is protected.
  c.pool.share(e->slot);
  Packet held;
  held.slot = e->slot;
  c.release_later(held);
}

void forward_sr(Core& c, uint32_t publisher, MediaKind media, Ssrc ssrc, NtpTime ours, RtpTime rtp) {
  const SessionHot& h = c.hot[publisher];
  RoomLocal* room = c.room_of(h.room, h.room_gen);
  if (room == nullptr || room->publisher != c.key_of(publisher)) return;
  PeerMessage m;
  m.kind = PeerMessage::Kind::room_sr;
  m.media = media;
  m.room = h.room;
  m.room_gen = h.room_gen;
  m.session = c.key_of(publisher);
  m.ssrc = ssrc;
  m.ntp = ours;
  m.rtp = rtp;
  for (uint64_t left = room->shards_with_players & ~(uint64_t{1} << c.id.v); left != 0; left &= left - 1) {
    const auto shard = static_cast<size_t>(std::countr_zero(left));
    if (c.ports.to_peer[shard]->try_push(m)) c.peers_to_wake |= uint64_t{1} << shard;
  }
  on_room_message(c, m, nullptr);
}

}  // namespace sluice::engine
