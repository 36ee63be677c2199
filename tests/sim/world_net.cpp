// The world's datagrams: from clients through their edges and links to the shards, and back.

#include <fmt/format.h>

#include "net/wire/classify.h"
#include "tests/sim/world.h"

namespace sluice::sim {
namespace {

const char* class_name(Bytes b) {
  switch (wire::classify(b)) {
    case wire::PacketClass::stun:
      return (b[0] & 1) != 0 ? "stun response" : "stun request";
    case wire::PacketClass::dtls:
      return "dtls";
    case wire::PacketClass::rtp:
      return "rtp";
    case wire::PacketClass::rtcp:
      return "rtcp";
    default:
      return "other";
  }
}

void absorb(uint64_t& h, Bytes b) {
  for (const uint8_t x : b) h = (h ^ x) * 0x100000001b3;
}
void absorb(uint64_t& h, const Endpoint& e) {
  absorb(h, e.addr.b);
  h = (h ^ e.port) * 0x100000001b3;
}

}  // namespace

void World::trace(const Seen& s) {
  ++datagrams_;
  trace_ = (trace_ ^ static_cast<uint64_t>(now_.us)) * 0x100000001b3;
  absorb(trace_, s.from);
  absorb(trace_, s.to);
  absorb(trace_, s.bytes);
  if (options_.print_trace) {
    EndpointText from, to;
    fmt::print("{:>12} {} {} -> {} {} {}\n", now_.us, s.to_server ? ">" : "<", format(s.from, from),
               format(s.to, to), class_name(s.bytes), s.bytes.size());
  }
  if (tap) tap(s);
}

void World::client_sends(Host& h) {
  for (test::Outgoing& o : h.peer.take()) {
    if (o.to.is_v4() == h.options.ipv6) continue;  // no route
    const Endpoint from = h.edge.out(o.to, now_);
    if (lose && lose(h, true, o.bytes)) continue;
    h.up.send(now_, o.bytes, [&](Micros arrival, std::vector<uint8_t> bytes) {
      at(arrival, [this, from, to = o.to, b = std::move(bytes)] { inject(from, to, b, true); });
    });
  }
  h.next = h.peer.deadline(now_);
}

void World::inject(const Endpoint& from, const Endpoint& to, Bytes bytes, bool honest) {
  trace({true, honest, from, to, bytes});
  amplification_.received(from, bytes, honest);
  const size_t s = kernel_.shard_of(from, to);
  ++injected_;
  backends_[s]->inject({.from = from, .to = to, .at = now_, .ifindex = 0, .len = 0, .ecn = 0}, bytes);
  refresh_due();
}

void World::server_sends(const io::SimDatagram& d, Bytes bytes) {
  const Seen seen{false, true, d.from, d.to, bytes};
  trace(seen);
  if (!amplification_.sent(d.to, bytes.size())) {
    EndpointText to;
    fail(fmt::format("more than three times what came from {} went to it, which proved nothing",
                     format(d.to, to)));
  }
  const auto it = by_address_.find(d.to.addr);
  if (it == by_address_.end()) {
    if (stray) stray(seen);
    return;
  }
  Host& h = *it->second;
  if (lose && lose(h, false, bytes)) return;
  h.down.send(now_, bytes, [&](Micros arrival, std::vector<uint8_t> copy) {
    at(arrival, [this, &h, from = d.from, to = d.to, b = std::move(copy)] {
      if (!h.edge.in(to, from, now_)) return;
      h.peer.input(b, from, now_);
      client_sends(h);
    });
  });
}

}  // namespace sluice::sim
