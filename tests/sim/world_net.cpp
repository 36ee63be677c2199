// The world's datagrams: from clients through their edges and links to the nodes, between nodes, and back.

#include <algorithm>

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

Node* World::node_at(const Address& a) {
  for (const auto& n : nodes_)
    if (n->lives_at(a)) return n.get();
  return nullptr;
}

Link& World::backbone(const Node& from, const Node& to) {
  const std::pair key{from.number(), to.number()};
  auto it = backbones_.find(key);
  if (it == backbones_.end()) it = backbones_.emplace(key, Link(options_.backbone, rng_.fork())).first;
  return it->second;
}

void World::heal_links() {
  for (Station* s : everybody_) s->up.heal(), s->down.heal();
  for (auto& [ends, link] : backbones_) link.heal();
}

void World::station_sends(Station& s) {
  for (test::Outgoing& o : s.take()) {
    if (o.to.is_v4() == s.ipv6) continue;  // no route
    const Endpoint from = s.edge.out(o.to, now_);
    if (lose && s.host() != nullptr && lose(*s.host(), true, o.bytes)) continue;
    s.up.send(now_, o.bytes, [&](Micros arrival, std::vector<uint8_t> bytes) {
      at(arrival, [this, from, to = o.to, b = std::move(bytes)] { arrive(from, to, b); });
    });
  }
  s.next = s.deadline(now_);
}

void World::arrive(const Endpoint& from, const Endpoint& to, Bytes bytes) {
  if (node_at(to.addr) != nullptr) return inject(from, to, bytes, true);
  deliver(from, to, bytes);
}

void World::inject(const Endpoint& from, const Endpoint& to, Bytes bytes, bool honest) {
  Node* n = node_at(to.addr);
  if (n == nullptr) return;
  trace({true, honest, from, to, bytes, n, n->is_inner(from)});
  n->amplification().received(from, bytes, honest);
  n->receive(from, to, bytes);
}

void World::node_sends(Node& n, const io::SimDatagram& d, Bytes bytes) {
  const Seen seen{false, true, d.from, d.to, bytes, &n, n.is_inner(d.to)};
  trace(seen);
  n.check_sent(d, bytes);
  if (Node* other = node_at(d.to.addr); other != nullptr) {
    backbone(n, *other).send(now_, bytes, [&](Micros arrival, std::vector<uint8_t> copy) {
      at(arrival, [this, from = d.from, to = d.to, b = std::move(copy)] { inject(from, to, b, true); });
    });
    return;
  }
  const auto [first, last] = by_address_.equal_range(d.to.addr);
  if (first == last) {
    if (stray) stray(seen);
    return;
  }
  deliver(d.from, d.to, bytes);
}

void World::deliver(const Endpoint& from, const Endpoint& to, Bytes bytes) {
  const auto [first, last] = by_address_.equal_range(to.addr);
  if (first == last) return;
  // Behind a NAT of several: the one whose mapping it is, at the time that it passes the NAT.
  auto it = std::find_if(first, last, [&](const auto& a) { return a.second->edge.owns(to, now_); });
  Station& s = *(it == last ? first : it)->second;
  if (lose && s.host() != nullptr && lose(*s.host(), false, bytes)) return;
  s.down.send(now_, bytes, [&](Micros arrival, std::vector<uint8_t> copy) {
    at(arrival, [this, &s, from, to, b = std::move(copy)] {
      if (!s.edge.in(to, from, now_)) return;
      s.input(b, from, now_);
      station_sends(s);
    });
  });
}

}  // namespace sluice::sim
