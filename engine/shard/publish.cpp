// Copies a session's figures to where the control thread reads them: on changes of state, and with the
// session's RTCP reports while media flows.

#include <cmath>

#include "engine/shard/lifecycle.h"
#include "net/rtp/header.h"

namespace sluice::engine {
namespace {

float millis_of(Micros m) { return static_cast<float>(m.us) / 1000.0F; }

float dbov(std::optional<uint8_t> level) { return level ? -static_cast<float>(*level) : NAN; }

/// What both directions have.
template <class Track>
TrackReport figures_of(Track& t, MediaKind k, Micros now) {
  TrackReport r;
  r.used = true;
  r.media = k;
  r.codec = t.codec;
  r.packets = t.stats.packets();
  r.lost = t.stats.lost();
  r.fraction_lost = static_cast<float>(t.stats.fraction_lost()) / 256.0F;
  r.jitter_ms = millis_of(t.stats.jitter());
  r.bitrate_bps = static_cast<float>(t.rate.bits_per_second(now));
  r.audio_level_dbov = dbov(t.level.loudest(now));
  r.plis = t.plis;
  return r;
}

TrackReport report_of(RxTrack& t, MediaKind k, Micros now, uint64_t nacks) {
  TrackReport r = figures_of(t, k, now);
  r.ssrc = t.ssrc;
  r.bytes = t.stats.bytes();
  r.nacks = nacks;
  return r;
}

TrackReport report_of(TxTrack& t, MediaKind k, Micros now) {
  TrackReport r = figures_of(t, k, now);
  r.outbound = true;
  r.ssrc = t.stats.ssrc();
  r.bytes = t.stats.octets() + t.stats.packets() * rtp::kFixedHeader;
  r.nacks = t.nacks;
  r.retransmitted = t.stats.retransmitted();
  return r;
}

Micros best_rtt(Core& c, uint32_t session) {
  for (const MediaKind k : kBothKinds)
    if (const TxTrack& t = c.tx_track(session, k); t.used)
      if (const auto rtt = t.stats.rtt()) return *rtt;
  const Micros challenge = c.agents[session].rtt();
  return challenge.us > 0 ? challenge : Micros{-1};
}

}  // namespace

void publish_report(Core& c, uint32_t session, CloseReason reason) {
  SessionHot& h = c.hot[session];
  const SessionCold& cold = c.cold[session];
  SessionReport r;
  r.key = c.key_of(session);
  r.reason = reason;
  r.shard = c.id;
  r.srtp_profile = cold.srtp_profile;
  r.remote = h.path.remote;
  r.local = h.path.local;
  r.rtt = best_rtt(c, session);
  r.rx_packets = h.rx_packets;
  r.rx_bytes = h.rx_bytes;
  r.tx_packets = h.tx_packets;
  r.tx_bytes = h.tx_bytes;
  r.moves = c.agents[session].moves();
  r.first_check_at = cold.first_check_at;
  r.dtls_start_at = cold.dtls_start_at;
  r.dtls_done_at = cold.dtls_done_at;
  r.first_rtp_in_at = cold.first_rtp_in_at;
  r.first_rtp_out_at = cold.first_rtp_out_at;
  r.drops = cold.drops;
  size_t n = 0;
  for (const MediaKind k : kBothKinds) {
    RxTrack& rx = c.rx_track(session, k);
    TxTrack& tx = c.tx_track(session, k);
    const bool counts_nacks = k == MediaKind::video && rx.used;
    if (rx.used)
      r.track[n++] = report_of(rx, k, c.now, counts_nacks ? c.feedback[session].nack.requested() : 0);
    if (tx.used) r.track[n++] = report_of(tx, k, c.now);
  }
  c.reports[session].store(r);
  h.report_due = false;
}

}  // namespace sluice::engine
