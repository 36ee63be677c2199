// Trunk datagrams as they come from the wire, and as an authentic peer's, since no fuzzer finds a valid tag:
// the input's bytes as a body of frames, as a status, and as packets to be framed.
#include "net/trunk/trunk.h"

#include <vector>

#include "tests/support/require.h"
#include "tests/support/trunk_node.h"

using namespace sluice;
using namespace sluice::trunk;

namespace {

constexpr size_t kPeers = 4, kRx = 4;
const Endpoint kRelayAt{Address::v4(10, 0, 0, 1), 1}, kServerAt{Address::v4(10, 0, 0, 2), 2};

/// A relay and a server that are up.
struct World {
  World() {
    std::array<uint8_t, kControlBytes> d;
    to_server = *relay.trunk.add_server(2, kServerAt, 1, seconds(1));
    const auto due = relay.trunk.poll(seconds(1), d);
    require(due && due->hello == d.size());
    const auto heard = server.trunk.receive(d, kRelayAt, kServerAt, seconds(1));
    require(heard.has_value());
    require(server.trunk.write_welcome(heard->peer, d) == d.size());
    require(relay.trunk.receive(d, kServerAt, kRelayAt, seconds(1)).has_value());
    require(relay.trunk.can_send(to_server));
  }

  trunk::test::Node relay{{.id = 1}, kRelayAt, 1, kPeers, kRx}, server{{.id = 2}, kServerAt, 2, kPeers, kRx};
  PeerIndex to_server = kNoPeer;
};

World& world() {
  static World w;
  return w;
}

size_t read_frames(Bytes body) {
  trunk::Reader r(body);
  size_t frames = 0, used = 0;
  for (Frame f; r.next(f); ++frames) {
    used += 10 + f.payload.size();
    require(f.ecn <= 3);
    if (f.payload.empty()) continue;
    require(f.payload.data() > body.data());
    require(f.payload.data() + f.payload.size() <= body.data() + body.size());
  }
  Frame f;
  require(!r.next(f) && used <= body.size());
  return frames;
}

void from_the_wire(Bytes input) {
  World& w = world();
  for (Trunk* t : {&w.relay.trunk, &w.server.trunk}) {
    const auto r = t->receive(input, kRelayAt, kServerAt, seconds(1));
    require(!r.has_value());
    require(r.error() == Drop::trunk_malformed || r.error() == Drop::trunk_auth ||
            r.error() == Drop::trunk_stale || r.error() == Drop::trunk_replayed);
  }
}

/// Packets of lengths that the input says go through a writer, a Trunk each way and a reader.
void as_packets(Bytes input) {
  World& w = world();
  static const std::vector<uint8_t> content(2048, 0x5a);
  std::vector<uint8_t> slot(2048);
  trunk::Writer writer = w.relay.trunk.writer(w.to_server);
  size_t sent = 0, received = 0;
  const auto send = [&](trunk::Writer::More more) {
    const size_t n = w.relay.trunk.seal(w.to_server, writer, more);
    require(n <= kDefaultMaxSingle);
    const auto r = w.server.trunk.receive(Bytes(slot).first(n), kRelayAt, kServerAt, seconds(1));
    require(r.has_value());
    received += read_frames(r->body);
  };
  sluice::Reader in(input);
  while (in.left() >= 4) {
    const uint16_t size = in.u16() & 0x7ff;
    const uint8_t bits = in.u8(), more = in.u8();
    Frame f{.client = {Address::v4(192, 0, 2, bits), more}, .local = {Address::v4(203, 0, 113, 1), 3478}};
    if ((bits & 1) != 0) f.client.addr.b[0] = 0x20;
    if ((bits & 2) != 0) f.local.addr.b[0] = 0x20;
    if ((bits & 4) != 0) f.flow = more;
    f.payload = Bytes(content).first(size);
    if (!writer.open()) writer.start(slot);
    if (!writer.add(f)) {
      if (!writer.empty()) {
        send(trunk::Writer::More::yes);
        writer.start(slot);
      }
      if (!writer.add(f)) {
        require(size > always_fits(kDefaultMaxSingle));
        continue;
      }
    }
    ++sent;
  }
  if (!writer.empty()) send(trunk::Writer::More::no);
  require(sent == received);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const Bytes input(data, size);
  from_the_wire(input);
  (void)read_frames(input);
  if (const auto s = parse_status(input)) {
    std::array<uint8_t, kStatusBytes> again;
    write_status(again.data(), *s);
    require(parse_status(again) == s);
  }
  as_packets(input);
  return 0;
}
