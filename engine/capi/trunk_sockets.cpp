// Where relays and media tiers meet: sockets of the trunk's own, beside those for clients.

#include <fmt/format.h>

#include "engine/capi/handle.h"
#include "engine/shard/shard.h"
#include "net/io/foreign.h"

namespace sluice::capi {
namespace {

using engine::Failure;
using Member = Endpoint engine::relay::TrunkSockets::*;

std::string text_of(const Endpoint& e) {
  EndpointText buffer;
  return std::string(format(e, buffer));
}

/// Sockets at `at` for the shards [from, from + options.shards).
std::expected<Endpoint, Failure> open_group(const Endpoint& at, io::SocketOptions options, uint32_t from,
                                            Member member, ParsedConfig& c, sluice_engine& e) {
  auto sockets = io::ListenSockets::open({&at, 1}, options);
  if (!sockets)
    return std::unexpected(Failure{SLUICE_E_IO, "trunk", sockets.error().message, sockets.error().fix});
  const Endpoint bound = sockets->bound()[0];
  for (uint32_t s = 0; s < options.shards; ++s) {
    c.engine.trunk.sockets[from + s].*member = bound;
    e.shard_trunks[from + s].push_back(sockets->shard(s)[0]);
  }
  e.trunk_sockets.push_back(std::move(*sockets));
  return bound;
}

}  // namespace

std::expected<void, Failure> open_trunk_sockets(ParsedConfig& c, const io::SocketOptions& options,
                                                sluice_engine& e) {
  engine::relay::TrunkConfig& trunk = c.engine.trunk;
  e.shard_trunks.resize(options.shards);
  if (!trunk.key || !trunk.listen) return {};
  trunk.sockets.resize(options.shards);
  const bool serves = c.engine.media && (trunk.listen->port != 0 || !c.engine.relay.on);
  if (serves) {
    const auto at = open_group(*trunk.listen, options, 0, &engine::relay::TrunkSockets::server, c, e);
    if (!at) return std::unexpected(at.error());
    e.say(1, fmt::format("trunk: relays reach this process at {}", text_of(*at)));
  }
  if (!c.engine.relay.on) return {};
  // One each: what a server sends back has to arrive at the shard that it belongs to, whatever the kernel's
  // hash says.
  io::SocketOptions alone = options;
  alone.shards = 1;
  for (uint32_t s = 0; s < options.shards; ++s) {
    const bool any = serves || trunk.listen->port == 0;
    const Endpoint at{trunk.listen->addr, static_cast<uint16_t>(any ? 0 : trunk.listen->port + s)};
    const auto bound = open_group(at, alone, s, &engine::relay::TrunkSockets::relay, c, e);
    if (!bound) return std::unexpected(bound.error());
    e.say(1, fmt::format("trunk: shard {} speaks with servers from {}", s, text_of(*bound)));
  }
  return {};
}

std::expected<void, Failure> open_direct(sluice_engine& e) {
  if (!e.engine->config().trunk.direct) return {};
  for (size_t s = 0; s < e.engine->shard_count(); ++s) {
    auto sender = io::make_raw_sender(e.engine->shard(s).pool());
    if (!sender)
      return std::unexpected(
          Failure{SLUICE_E_IO, "trunk_direct", sender.error().message, sender.error().fix});
    e.engine->shard(s).set_foreign(std::move(*sender));
  }
  e.say(1,
        "trunk: media goes to clients directly, with the relay's address as its source; where networks "
        "filter such sources, switch trunk_direct off");
  return {};
}

std::vector<io::ShardSocket> sockets_of(const sluice_engine& e, uint32_t shard) {
  const auto clients = e.sockets.shard(shard);
  std::vector<io::ShardSocket> all(clients.begin(), clients.end());
  if (shard < e.shard_trunks.size())
    all.insert(all.end(), e.shard_trunks[shard].begin(), e.shard_trunks[shard].end());
  return all;
}

}  // namespace sluice::capi
