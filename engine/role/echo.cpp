// The echo agent: what a client says comes back after a set delay, untouched but for its RTP header.

#include "engine/role/role.h"
#include "engine/shard/lifecycle.h"

namespace sluice::engine {
namespace {

/// Packets that echoes may hold, as a share of the pool: calls that are forwarded come first.
constexpr uint32_t kEchoShare = 2;
/// Slots that echoes leave free, as a share of the pool.
constexpr uint32_t kEchoReserve = 8;

void play_one(Core& c, uint32_t session, const EchoLine::Item& item) {
  const Bytes packet(c.pool.slot_bytes(item.slot) + item.offset, item.len);
  const auto header = rtp::parse_header(packet);
  const auto payload = header ? rtp::payload(*header, packet) : std::nullopt;
  if (payload) {
    const RxTrack& t = c.rx_track(session, MediaKind::audio);
    SourcePacket src{.source = {c.key_of(session).packed(), header->ssrc},
                     .index = item.index,
                     .media = MediaKind::audio,
                     .codec = t.codec_of(header->payload_type),
                     .level_id = t.ext.id(rtp::ExtKind::audio_level),
                     .orientation_id = 0,
                     .header = *header,
                     .payload = *payload};
    deliver(c, session, src);
  }
  Packet p;
  p.slot = item.slot;
  c.release_later(p);
  --c.slots_in_echo;
}

}  // namespace

void echo_rtp(Core& c, uint32_t session, MediaKind media, const Packet& p, uint64_t index) {
  EchoLine& line = c.echo[session];
  const Micros due = c.now + c.cold[session].spec.echo_delay;
  if (media != MediaKind::audio || c.slots_in_echo >= c.pool.capacity() / kEchoShare ||
      c.pool.free() < c.pool.capacity() / kEchoReserve || !line.push({due, index, p.slot, p.offset, p.len}))
    return c.drop(p, Drop::agent_full, session);
  ++c.slots_in_echo;
  if (line.n == 1) c.wake_at(session, due);
}

void play_echo(Core& c, uint32_t session) {
  EchoLine& line = c.echo[session];
  while (line.n > 0 && line.front().due <= c.now) {
    const EchoLine::Item item = line.front();
    line.pop();
    play_one(c, session, item);
  }
}

}  // namespace sluice::engine
