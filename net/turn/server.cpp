#include "net/turn/server.h"

#include <algorithm>
#include <cassert>

#include "net/crypto/secret.h"

namespace sluice::turn {
namespace {

// Where the parts lie in the memory that is handed in, each on a line of its own.
struct Layout {
  size_t allocations, peers, relays, reservations, accounts, timers, admission, end;

  explicit Layout(const Limits& l) {
    size_t at = 0;
    const auto part = [&](size_t bytes) {
      const size_t begin = at;
      at += (bytes + 63) / 64 * 64;
      return begin;
    };
    allocations = part(Allocations::bytes_for(l.allocations));
    peers = part(Peers::bytes_for(l.peer_nodes));
    relays = part(RelayMap::bytes_for(l));
    reservations = part(Reservations::bytes_for(l.reservations));
    accounts = part(Accounts::bytes_for(l.allocations));
    timers = part((size_t{l.allocations} + l.reservations) * sizeof(TimerWheel::Node));
    admission = part(l.admission_lines * sizeof(ice::Admission::Line));
    end = at;
  }
};

template <class T>
std::span<T> array_in(std::span<std::byte> memory, size_t at, size_t n) {
  return {reinterpret_cast<T*>(memory.data() + at), n};
}

}  // namespace

size_t Server::bytes_for(const Limits& limits) { return Layout(limits).end; }

Server::Server(const Config& config, std::span<std::byte> memory, Micros now)
    : config_(config), nonces_(config.secrets.nonce, config.nonce_s) {
  const Limits& l = config.limits;
  const Layout at(l);
  assert(memory.size() >= at.end && reinterpret_cast<uintptr_t>(memory.data()) % 64 == 0);
  assert(!config.realm.empty() && config.realm.size() <= kMaxRealm);
  allocations_ = Allocations(memory.subspan(at.allocations), l.allocations);
  peers_ = Peers(memory.subspan(at.peers), l.peer_nodes, l.peers_per_allocation);
  relays_ = RelayMap(memory.subspan(at.relays), l, config.relay_addresses);
  reservations_ = Reservations(memory.subspan(at.reservations), l.reservations, config.shard);
  accounts_ = Accounts(memory.subspan(at.accounts), l.allocations);
  const size_t nodes = size_t{l.allocations} + l.reservations;
  timers_ = TimerWheel(array_in<TimerWheel::Node>(memory, at.timers, nodes), now);
  if (l.admission_lines != 0)
    admission_ = ice::Admission(array_in<ice::Admission::Line>(memory, at.admission, l.admission_lines),
                                {config.random.u64(), config.random.u64()}, config.admission);
  indication_ = config.random.u64();
}

Server::~Server() {
  for (uint32_t i = 0; i < allocations_.capacity(); ++i)
    if (Allocation* a = allocations_.find(i)) crypto::cleanse(a->key.b);
  crypto::cleanse({reinterpret_cast<uint8_t*>(&config_.secrets), sizeof config_.secrets});
}

std::optional<uint8_t> Server::shard_of(const stun::View& request) {
  if (const auto ticket = request.find(stun::Attr::mobility_ticket))
    if (const auto shard = ticket_shard(*ticket)) return shard;
  if (const auto token = request.u64(stun::Attr::reservation_token)) return Reservations::shard_of(*token);
  return std::nullopt;
}

size_t Server::expire(Micros now, const PortSource& ports, std::span<Closed> out) {
  std::array<uint32_t, 16> due;
  size_t n = 0;
  while (n < out.size()) {
    const size_t k = timers_.advance(now, std::span(due).first(std::min(due.size(), out.size() - n)));
    if (k == 0) break;
    for (const uint32_t node : std::span(due).first(k)) {
      if (node < allocations_.capacity()) {
        out[n++] = {node, allocations_.find(node)->client};
        retire(node, ports);
        ++counters_.expired;
      } else {
        const auto slot = static_cast<uint16_t>(node - allocations_.capacity());
        ports.give_back(reservations_.at(slot)->relay);
        reservations_.drop(slot);
        --counters_.reservations;
      }
    }
  }
  return n;
}

bool Server::close(uint32_t allocation, const PortSource& ports) {
  if (allocations_.find(allocation) == nullptr) return false;
  retire(allocation, ports);
  ++counters_.deleted;
  return true;
}

void Server::leave(uint32_t allocation, const PortSource& ports) {
  const Allocation* a = allocations_.find(allocation);
  if (a != nullptr && !a->is(Allocation::kMobile)) close(allocation, ports);
}

void Server::close_all(const PortSource& ports) {
  for (uint32_t i = 0; i < allocations_.capacity(); ++i) close(i, ports);
  for (uint32_t i = 0; i < reservations_.capacity(); ++i) {
    const auto slot = static_cast<uint16_t>(i);
    const Reservation* r = reservations_.at(slot);
    if (r == nullptr) continue;
    ports.give_back(r->relay);
    timers_.cancel(allocations_.capacity() + i);
    reservations_.drop(slot);
    --counters_.reservations;
  }
}

Endpoint Server::relay_of(const Allocation& a, Family family) const {
  const size_t f = static_cast<size_t>(family) - 1;
  if (a.relay_port[f] == 0) return {};
  return {config_.relay_addresses[a.relay_address[f]], a.relay_port[f]};
}

bool Server::count_in(uint64_t user_hash) {
  if (config_.quota) return config_.quota.take(user_hash, config_.user_quota, config_.total_quota);
  if (config_.total_quota != 0 && counters_.allocations >= config_.total_quota) return false;
  const auto* account = accounts_.find(user_hash);
  return config_.user_quota == 0 || account == nullptr || account->allocations < config_.user_quota;
}

void Server::drop_relay(Allocation& a, Family family, const PortSource& ports) {
  const Endpoint relay = relay_of(a, family);
  if (relay.port == 0) return;
  relays_.clear(relay);
  ports.give_back(relay);
  a.relay_port[static_cast<size_t>(family) - 1] = 0;
}

void Server::flush(Allocation& a) {
  accounts_[a.account].bytes += a.bytes;
  a.bytes = 0;
}

void Server::retire(uint32_t allocation, const PortSource& ports) {
  Allocation& a = *allocations_.find(allocation);
  drop_relay(a, Family::v4, ports);
  drop_relay(a, Family::v6, ports);
  peers_.release(a);
  flush(a);
  if (config_.quota) config_.quota.give_back(accounts_[a.account].user);
  accounts_.leave(a.account);
  timers_.cancel(allocation);
  --counters_.allocations;
  counters_.streams -= a.client.is_stream();
  allocations_.drop(allocation);
}

std::optional<AllocationInfo> Server::info(uint32_t allocation, Micros now) {
  Allocation* a = allocations_.live(allocation, seconds_of(now));
  if (a == nullptr) return std::nullopt;
  const Peers::Count peers = peers_.count(*a, seconds_of(now));
  return AllocationInfo{.handle = allocations_.handle(allocation),
                        .client = a->client,
                        .relays = {relay_of(*a, Family::v4), relay_of(*a, Family::v6)},
                        .peers = peers.peers,
                        .channels = peers.channels,
                        .mobile = a->is(Allocation::kMobile),
                        .made_s = a->made,
                        .ends_s = a->ends,
                        .traffic = a->traffic};
}

Usage Server::usage_of(std::string_view user) const {
  const auto* account = accounts_.find(user_hash(config_.secrets.names, user));
  return account == nullptr ? Usage{} : Usage{account->allocations, account->bytes};
}

}  // namespace sluice::turn
