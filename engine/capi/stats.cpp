#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "engine/capi/handle.h"
#include "net/dtls/fingerprint.h"
#include "net/sdp/negotiate.h"
#include "net/srtp/profile.h"

using namespace sluice;
using namespace sluice::engine;

static_assert(kDropCount <= SLUICE_DROP_REASONS_MAX);
static_assert(2 * kMediaKinds <= SLUICE_TRACKS_MAX);

namespace {

double or_nan(Micros m) { return m.us < 0 ? NAN : static_cast<double>(m.us) / 1000.0; }

std::string_view codec_name(uint8_t codec) {
  return codec == 0 ? std::string_view{} : sdp::name_of(static_cast<sdp::Codec>(codec - 1));
}

sluice_track_stats track_stats(const TrackReport& r) {
  sluice_track_stats t{};
  t.ssrc = r.ssrc.v;
  capi::copy_text(t.codec, codec_name(r.codec));
  capi::copy_text(t.kind, r.media == MediaKind::audio ? "audio" : "video");
  t.outbound = r.outbound ? 1 : 0;
  t.packets = r.packets;
  t.bytes = r.bytes;
  t.lost = static_cast<uint64_t>(std::max<int64_t>(r.lost, 0));
  t.fraction_lost = static_cast<double>(r.fraction_lost);
  t.jitter_ms = static_cast<double>(r.jitter_ms);
  t.bitrate_bps = static_cast<double>(r.bitrate_bps);
  t.audio_level_dbov = static_cast<double>(r.audio_level_dbov);
  t.nacks = r.nacks;
  t.retransmitted = r.retransmitted;
  t.plis = r.plis;
  return t;
}

void put_report(sluice_session_stats& s, const SessionReport& r) {
  EndpointText text;
  if (r.first_check_at.us != 0) {
    capi::copy_text(s.remote, format(r.remote, text));
    capi::copy_text(s.local, format(r.local, text));
  }
  if (const auto profile = srtp::profile_from_id(r.srtp_profile))
    capi::copy_text(s.srtp_profile, srtp::name(*profile));
  s.shard = r.shard.v;
  s.rtt_ms = or_nan(r.rtt);
  s.rx_packets = r.rx_packets;
  s.rx_bytes = r.rx_bytes;
  s.tx_packets = r.tx_packets;
  s.tx_bytes = r.tx_bytes;
  s.moves = r.moves;
  std::ranges::copy(r.drops, s.drops);
  s.first_check_us = r.first_check_at.us;
  s.dtls_start_us = r.dtls_start_at.us;
  s.dtls_done_us = r.dtls_done_at.us;
  s.first_rtp_in_us = r.first_rtp_in_at.us;
  s.first_rtp_out_us = r.first_rtp_out_at.us;
  for (const TrackReport& t : r.track)
    if (t.used) s.track[s.track_count++] = track_stats(t);
}

const SessionRecord* record_of(sluice_engine* e, sluice_session session) {
  return e->engine->sessions().find(SessionKey::unpack(session));
}

}  // namespace

extern "C" {

size_t sluice_sessions(sluice_engine* e, sluice_session* out, size_t cap) {
  size_t n = 0;
  e->engine->sessions().for_each([&](const SessionRecord& r) {
    if (r.state == CallState::closed) return;
    if (n < cap) out[n] = r.spec.key.packed();
    ++n;
  });
  return n;
}

sluice_code sluice_get_session_stats(sluice_engine* e, sluice_session session, sluice_session_stats* out) {
  if (out->size == 0) return SLUICE_E_INVALID;
  const SessionRecord* record = record_of(e, session);
  SessionReport report;
  if (record == nullptr || !e->engine->session_report(record->spec.key, report)) return SLUICE_E_NOT_FOUND;
  sluice_session_stats s{};
  s.session = session;
  s.role = static_cast<sluice_role>(record->spec.role);
  s.state = static_cast<sluice_state>(record->state);
  s.reason = static_cast<sluice_close_reason>(record->reason);
  capi::copy_text(s.name, record->name);
  s.offered_us = record->spec.offered_at.us;
  put_report(s, report);
  if (record->spec.role == Role::publish && record->state != CallState::closed)
    s.subscribers = e->engine->rooms().at(record->spec.room).connected_players();
  capi::hand_out(out, s);
  return SLUICE_OK;
}

sluice_code sluice_get_shard_stats(sluice_engine* e, unsigned shard, sluice_shard_stats* out) {
  if (out->size == 0) return SLUICE_E_INVALID;
  if (shard >= e->engine->shard_count()) return SLUICE_E_NOT_FOUND;
  ShardReport r;
  e->engine->shard_report(shard, r);
  sluice_shard_stats s{};
  s.shard = shard;
  s.core = static_cast<unsigned>(e->cores[shard % e->cores.size()]);
  capi::copy_text(s.io, e->io_name);
  s.rx_packets = r.io.rx_packets;
  s.rx_bytes = r.io.rx_bytes;
  s.tx_packets = r.io.tx_packets;
  s.tx_bytes = r.io.tx_bytes;
  s.rx_calls = r.io.rx_calls;
  s.tx_calls = r.io.tx_calls;
  s.rx_no_buffers = r.io.rx_no_buffers;
  s.rx_rearmed = r.io.rx_rearmed;
  s.kernel_drops = r.io.kernel_drops;
  s.sleeps = r.io.sleeps;
  s.loops = r.loops;
  s.handed_over = r.handed_over;
  s.steered = shard == 0 ? e->engine->totals().steered : 0;
  s.cpu_us = r.cpu_us;
  s.sessions = r.sessions;
  s.flows = r.flows;
  s.pool_capacity = r.pool_capacity;
  s.pool_free = r.pool_free;
  s.late_allocations = r.late_allocations;
  std::ranges::copy(r.drops.n, s.drops);
  std::ranges::copy(r.unsent.n, s.unsent);
  capi::hand_out(out, s);
  return SLUICE_OK;
}

void sluice_get_engine_stats(sluice_engine* e, sluice_engine_stats* out) {
  const EngineTotals t = e->engine->totals();
  const slow::HandshakeCounters h = e->engine->worker().counters();
  sluice_engine_stats s{};
  s.shards = static_cast<unsigned>(e->engine->shard_count());
  s.sessions_new = t.fresh;
  s.sessions_checking = t.checking;
  s.sessions_connected = t.connected;
  s.rooms = e->engine->rooms().live();
  s.sessions_created = t.created;
  s.sessions_closed = t.closed;
  s.handshakes_done = h.done;
  for (const uint64_t n : h.failed) s.handshakes_failed += n;
  std::ranges::copy(t.closed_by_reason, s.closed_by_reason);
  capi::copy_text(s.io, e->io_name);
  capi::copy_text(s.srtp, e->engine->srtp_name());
  capi::copy_text(s.fingerprint, fmt::format("sha-256 {}", dtls::to_text(e->engine->dtls().fingerprint())));
  s.draining = e->engine->draining() ? 1 : 0;
  capi::hand_out(out, s);
}

size_t sluice_rooms(sluice_engine* e, sluice_room_stats* out, size_t cap) {
  if (cap > 0 && out->size == 0) cap = 0;
  size_t n = 0;
  e->engine->rooms().for_each([&](const Room& room) {
    if (!room.publisher && room.connected_players() == 0) return;
    if (n < cap) {
      sluice_room_stats s{};
      capi::copy_text(s.name, room.name);
      s.publisher = room.publisher ? room.publisher.packed() : 0;
      s.subscribers = room.connected_players();
      capi::hand_out_at(out, n, s);
    }
    ++n;
  });
  return n;
}

}  // extern "C"
