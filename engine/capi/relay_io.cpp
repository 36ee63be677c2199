#include "engine/capi/relay_io.h"

#include <algorithm>

#include <fmt/format.h>

#include "net/io/link/transmitter.h"

namespace sluice::capi {
namespace {

using engine::Failure;
using engine::relay::PortMode;
using engine::relay::Transmit;

io::RelayMode mode_of(PortMode m) {
  if (m == PortMode::sockets) return io::RelayMode::sockets;
  return m == PortMode::steered ? io::RelayMode::steered : io::RelayMode::automatic;
}

/// A port that is listened on is nobody's relay port: what came for it would be taken for the latter.
std::expected<void, Failure> refuse_shared_ports(const engine::relay::RelayConfig& relay,
                                                 std::span<const Endpoint> listening) {
  for (const Endpoint& e : listening) {
    if (e.port < relay.ports.lo || e.port > relay.ports.hi) continue;
    if (!e.addr.is_unspecified() && std::ranges::find(relay.addresses, e.addr) == relay.addresses.end())
      continue;
    return std::unexpected(Failure{
        SLUICE_E_INVALID, "relay_ports",
        fmt::format("{} to {} has port {}, which is listened on", relay.ports.lo, relay.ports.hi, e.port),
        "use a range without it"});
  }
  return {};
}

/// Shards have ports in blocks: one without any would refuse whoever its clients are.
std::expected<void, Failure> refuse_few_blocks(const engine::relay::RelayConfig& relay, uint32_t shards) {
  const uint32_t blocks = relay.ports.hi / io::kPortBlock - relay.ports.lo / io::kPortBlock + 1U;
  if (blocks >= shards) return {};
  return std::unexpected(
      Failure{SLUICE_E_INVALID, "relay_ports",
              fmt::format("{} to {} are {} blocks of {} ports, and each of {} shards needs one",
                          relay.ports.lo, relay.ports.hi, blocks, io::kPortBlock, shards),
              "use a wider range, or fewer shards"});
}

std::expected<void, Failure> make_relay_ports(ParsedConfig& c, sluice_engine& e) {
  engine::relay::RelayConfig& relay = c.engine.relay;
  if (auto ok = refuse_shared_ports(relay, e.sockets.bound()); !ok) return ok;
  if (auto ok = refuse_few_blocks(relay, c.engine.shards); !ok) return ok;
  io::RelayPortsOptions options;
  options.mode = mode_of(relay.port_mode);
  options.shards = c.engine.shards;
  auto ports = io::RelayPorts::make({relay.addresses, relay.ports}, options);
  if (ports) {
    e.relay_ports = std::move(*ports);
    return {};
  }
  // TURN was asked for, and is nothing without them.
  if (c.relay_ports_asked || c.engine.turn.on)
    return std::unexpected(Failure{SLUICE_E_IO,
                                   relay.port_mode == PortMode::steered ? "relay_port_mode" : "relay_address",
                                   ports.error().message, ports.error().fix});
  relay.addresses.clear();
  e.say(2, fmt::format("relay ports: none, only trunks ({})", ports.error().message));
  return {};
}

bool relays(const engine::EngineConfig& c) { return !c.media || !c.relay.servers.empty() || c.turn.on; }

/// Frames go past the host's output filter, so nobody who relays nothing gets them unasked.
bool wants_frames(const engine::EngineConfig& c) {
  if (c.relay.transmit != Transmit::automatic) return c.relay.transmit == Transmit::frames;
  return relays(c);
}

std::expected<void, Failure> make_link(const ParsedConfig& c, sluice_engine& e) {
  if (!wants_frames(c.engine)) return {};
  auto neighbours = io::link::Neighbours::make();
  if (neighbours) {
    e.neighbours = std::move(*neighbours);
    e.say(1, io::link::Transmitter::describe());
    return {};
  }
  const io::IoError& error = neighbours.error();
  if (c.engine.relay.transmit == Transmit::frames)
    return std::unexpected(Failure{SLUICE_E_IO, "transmit", error.message, error.fix});
  e.say(1, fmt::format("transmit with prebuilt headers is off: {}; {}", error.message, error.fix));
  return {};
}

std::expected<void, Failure> make_receive(ParsedConfig& c, sluice_engine& e) {
  if (c.engine.relay.receive == engine::relay::Receive::sockets) {
    if (relays(c.engine)) e.say(1, "receive of frames by AF_XDP is off: receive = frames turns it on");
    return {};
  }
  if (c.io == io::Kind::uring)
    return std::unexpected(
        Failure{SLUICE_E_INVALID, "receive", "frames are not received by io_uring", "use io mmsg or auto"});
  auto frames = io::XdpReceive::attach({.shards = c.engine.shards,
                                        .listens = e.sockets.bound(),
                                        .ports = e.relay_ports.get(),
                                        .steering = e.steering ? &*e.steering : nullptr});
  if (!frames)
    return std::unexpected(Failure{SLUICE_E_IO, "receive", frames.error().message, frames.error().fix});
  e.frames = std::move(*frames);
  c.io = io::Kind::mmsg;
  e.say(1, e.frames->describe());
  return {};
}

}  // namespace

std::expected<void, Failure> make_relay_io(ParsedConfig& c, sluice_engine& e) {
  if (c.engine.relay.on || c.engine.turn.on)
    if (auto ok = make_relay_ports(c, e); !ok) return ok;
  if (auto ok = make_receive(c, e); !ok) return ok;
  return make_link(c, e);
}

io::BackendOptions backend_options(const sluice_engine& e, ShardId shard) {
  io::BackendOptions options;
  options.relay_ports = e.relay_ports.get();
  options.shard = shard.v;
  options.link = e.neighbours.get();
  options.xdp = e.frames.get();
  return options;
}

}  // namespace sluice::capi
