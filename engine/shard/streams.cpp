// What came by TCP and TLS streams, as packets.

#include <algorithm>

#include "engine/role/turn.h"
#include "engine/shard/shard.h"

namespace sluice::engine {

void Shard::take_streams() {
  if (core_.ports.from_streams == nullptr) return;
  const size_t n = core_.ports.from_streams->for_each(kRxBurst, [&](const slow::FromStream& m) {
    // A session keeps its path until consent ends: the client may come back by another.
    if (m.type == slow::FromStream::Type::closed) {
      const turn::ClientKey client{m.remote, m.local, m.stream.ifindex()};
      if (core_.turn.on() && is_turn_stream(client.ifindex)) turn_stream_closed(core_, client);
      return;
    }
    const SlotIndex slot = core_.pool.take();
    if (slot == kNoSlot) return core_.count(Drop::pool_empty);
    std::copy_n(m.data, m.len, core_.pool.slot_bytes(slot) + kHeadroom);
    Packet& p = stream_rx_.push();
    p.slot = slot;
    p.offset = kHeadroom;
    p.len = m.len;
    p.remote = m.remote;
    p.local = m.local;
    p.ifindex = m.stream.ifindex();
    p.rx_time = core_.now;
  });
  if (n > 0) publish_soon();
  process(stream_rx_, false);
}

}  // namespace sluice::engine
