#include "engine/relay/turn.h"

#include <algorithm>
#include <bit>

#include <fmt/format.h>

#include "engine/relay/keys.h"
#include "engine/relay/text.h"
#include "net/crypto/hmac.h"
#include "net/crypto/secret.h"

namespace sluice::engine {
namespace {

static_assert(relay::kRealmBytesMax <= turn::kMaxRealm);

/// Users that are expected at once; more of them share cells of the quota's count.
constexpr uint32_t kUsersMax = 65536;

/// The kernel's hash spreads clients unevenly, the less so the more there are.
uint32_t share_of(uint32_t allocations, uint32_t shards) {
  if (shards == 1) return allocations;
  return static_cast<uint32_t>(uint64_t{allocations} * 5 / 4 / shards) + 1;
}

turn::Cidr cidr(const relay::Cidr& c) {
  return {c.address, static_cast<uint8_t>(c.address.is_v4() ? c.bits + 96 : c.bits)};
}

void add_host(std::vector<Address>& host, const Address& a) {
  if (!a.is_unspecified() && std::ranges::find(host, a) == host.end()) host.push_back(a);
}

TokenRate rate_of(uint64_t bits_per_second) {
  // A second's worth may come at once, as key frames do, and always a few datagrams.
  const auto bytes = static_cast<uint32_t>(std::min<uint64_t>(bits_per_second / 8, 1U << 30));
  return {.bytes_per_second = bytes, .burst_bytes = std::max(bytes, bytes == 0 ? 0U : 4 * kMaxDatagram)};
}

}  // namespace

void add(turn::Counters& sum, const turn::Counters& shard) {
  using C = turn::Counters;
  for (auto field : {&C::allocations, &C::reservations, &C::streams}) sum.*field += shard.*field;
  for (auto field : {&C::created, &C::expired, &C::deleted, &C::moved, &C::refreshed, &C::permissions,
                     &C::channels, &C::bindings, &C::channel_to_peer, &C::send_to_peer, &C::channel_to_client,
                     &C::data_to_client, &C::bytes_to_peer, &C::bytes_to_client})
    sum.*field += shard.*field;
  for (size_t i = 0; i < turn::kRefusals; ++i) sum.refused[i] += shard.refused[i];
}

TurnShared::TurnShared(const relay::TurnConfig& config, const Environment& environment,
                       const crypto::Random& random)
    : shards(environment.shards),
      settings(config),
      host(config.host),
      here(environment.here.begin(), environment.here.end()),
      relay_addresses(environment.relay_addresses.begin(), environment.relay_addresses.end()),
      relay_ports(environment.relay_ports),
      pool(environment.relay_ports),
      cells_(1 + 2 * std::bit_ceil(std::min(8 * config.max_allocations, 8 * kUsersMax))) {
  for (relay::TurnUser& u : settings.users) relay::wipe(u.password);
  settings.users.clear();
  secrets.nonce = {random.u64(), random.u64()};
  secrets.names = {random.u64(), random.u64()};
  random.fill(secrets.ticket);
  for (const relay::Cidr& c : config.allow_peers) allow.push_back(cidr(c));
  for (const Address& a : relay_addresses) {
    add_host(host, a);
    exceptions.push_back({a, relay_ports.lo, relay_ports.hi});
  }
  for (const Endpoint& e : here) {
    add_host(host, e.addr);
    exceptions.push_back({e.addr, e.port, e.port});
  }
}

TurnShared::~TurnShared() {
  relay::wipe(settings);
  for (turn::User& u : users) crypto::cleanse({reinterpret_cast<uint8_t*>(&u), sizeof u});
  crypto::cleanse({reinterpret_cast<uint8_t*>(&secrets), sizeof secrets});
}

std::expected<std::unique_ptr<TurnShared>, std::string> TurnShared::make(const relay::TurnConfig& config,
                                                                         const Environment& environment,
                                                                         const crypto::Random& random) {
  std::unique_ptr<TurnShared> t(new TurnShared(config, environment, random));
  for (const relay::TurnUser& u : config.users) {
    const auto user = turn::make_user(crypto::kPrimitives, u.name, config.realm, u.password);
    if (!user) return std::unexpected(fmt::format("\"{}\" is no name of a user", u.name));
    t->users.push_back(*user);
  }
  turn::sort_users(t->users);
  return t;
}

TurnLimits TurnShared::limits() const {
  TurnLimits l;
  l.on = true;
  l.moves = shards > 1;
  l.server.allocations = share_of(settings.max_allocations, shards);
  l.server.peer_nodes = std::max(l.server.allocations / 2, 256U);
  l.server.port_lo = relay_ports.lo;
  l.server.port_hi = relay_ports.hi;
  l.server.relay_addresses = static_cast<uint8_t>(relay_addresses.size());
  return l;
}

turn::Config TurnShared::config(uint8_t shard, const crypto::Random& random) {
  turn::Config c;
  c.limits = limits().server;
  c.shard = shard;
  c.realm = settings.realm;
  c.relay_addresses = relay_addresses;
  c.total_quota = settings.max_allocations;
  c.user_quota = settings.user_quota;
  c.allocation_rate = rate_of(settings.allocation_bps);
  c.secrets = secrets;
  c.crypto = crypto::kPrimitives;
  c.random = random;
  c.quota = turn::SharedQuota(cells_);
  return c;
}

turn::Credentials TurnShared::credentials() const {
  turn::Credentials c;
  c.users = users;
  for (size_t i = 0; i < std::min(settings.secrets.size(), c.secrets.size()); ++i)
    c.secrets[i] = as_bytes(settings.secrets[i]);
  return c;
}

}  // namespace sluice::engine
