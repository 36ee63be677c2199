// The paths of payloads.
#include <algorithm>
#include <cstring>

#include "net/stun/builder.h"
#include "net/turn/server.h"

namespace sluice::turn {
namespace {

using stun::Attr;

constexpr size_t kChannelHeader = 4;
constexpr size_t kMaxPayload = 65'000;

constexpr size_t padding(size_t n) { return (4 - n % 4) % 4; }

template <class T>
T dropped(Drop drop) {
  T t;
  t.drop = drop;
  return t;
}

// RFC 8656 §12.5: four bytes in front; towards a stream the message is a multiple of four.
void write_channel_data(ToClient& to, uint16_t channel, MutBytes payload, bool padded) {
  uint8_t* header = payload.data() - kChannelHeader;
  store_be<uint16_t>(header, channel);
  store_be<uint16_t>(header + 2, static_cast<uint16_t>(payload.size()));
  const size_t pad = padded ? padding(payload.size()) : 0;
  std::fill_n(payload.data() + payload.size(), pad, uint8_t{0});
  to.before = kChannelHeader;
  to.len = static_cast<uint16_t>(kChannelHeader + payload.size() + pad);
}

// RFC 8656 §11.6: XOR-PEER-ADDRESS and, last, DATA, whose value is the payload where it lies.
void write_data_indication(ToClient& to, const Endpoint& peer, const stun::TransactionId& tid,
                           MutBytes payload) {
  const size_t head = stun::kHeaderBytes + stun::attribute_bytes(peer.is_v4() ? 8 : 20);
  const size_t pad = padding(payload.size()), before = head + 4;
  uint8_t* message = payload.data() - before;
  stun::Builder b({message, head}, stun::Class::indication, stun::Method::data, tid);
  b.xor_address(Attr::xor_peer_address, peer);
  store_be<uint16_t>(message + 2, static_cast<uint16_t>(before - stun::kHeaderBytes + payload.size() + pad));
  store_be<uint16_t>(message + head, static_cast<uint16_t>(Attr::data));
  store_be<uint16_t>(message + head + 2, static_cast<uint16_t>(payload.size()));
  std::fill_n(payload.data() + payload.size(), pad, uint8_t{0});
  to.before = static_cast<uint16_t>(before);
  to.len = static_cast<uint16_t>(before + payload.size() + pad);
}
static_assert(stun::kHeaderBytes + stun::attribute_bytes(20) + 4 == kMaxPrepend);

// A step of splitmix64: transaction ids of indications need to differ, not to be secret.
uint64_t next_random(uint64_t& state) {
  uint64_t z = (state += 0x9E3779B97F4A7C15);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return z ^ (z >> 31);
}

}  // namespace

Drop Server::charge(Allocation& a, size_t bytes, bool up, Micros now) {
  const auto n = static_cast<uint32_t>(bytes);
  const uint32_t now_ms = TokenBucket::ms(now);
  if (!(up ? a.up : a.down).take(config_.allocation_rate, n, now_ms)) return Drop::turn_over_rate;
  if (config_.user_rate.bytes_per_second != 0) {
    auto& account = accounts_[a.account];
    if (!(up ? account.up : account.down).take(config_.user_rate, n, now_ms)) return Drop::turn_over_rate;
  }
  a.bytes += n;
  if (a.bytes >= (1U << 31)) flush(a);
  (up ? counters_.bytes_to_peer : counters_.bytes_to_client) += n;
  Traffic& t = a.traffic;
  ++(up ? t.to_peer_packets : t.to_client_packets);
  (up ? t.to_peer_bytes : t.to_client_bytes) += n;
  return Drop::none;
}

ToPeer Server::to_peer(Allocation& a, const Endpoint& peer, size_t offset, size_t len, Micros now) {
  const Endpoint relay = relay_of(a, family_of(peer.addr));
  if (relay.port == 0) return dropped<ToPeer>(Drop::turn_no_permission);
  if (const Drop d = charge(a, len, true, now); d != Drop::none) return dropped<ToPeer>(d);
  return {.drop = Drop::none,
          .dont_fragment = false,
          .offset = static_cast<uint16_t>(offset),
          .len = static_cast<uint16_t>(len),
          .relay = relay,
          .peer = peer};
}

ToPeer Server::from_client(const ClientKey& client, uint32_t allocation, Bytes message, Micros now) {
  const uint32_t now_s = seconds_of(now);
  Allocation* a = allocations_.live(allocation, now_s);
  if (a == nullptr || !a->client.same(client)) return dropped<ToPeer>(Drop::turn_no_allocation);
  if (message.size() < kChannelHeader) return dropped<ToPeer>(Drop::turn_malformed);
  const auto channel = load_be<uint16_t>(message.data());
  const size_t len = load_be<uint16_t>(message.data() + 2);
  // RFC 8656 §12.6; what follows the payload is padding.
  if (channel < kFirstChannel || channel > kLastChannel || len > message.size() - kChannelHeader)
    return dropped<ToPeer>(Drop::turn_malformed);
  const Peer* p =
      peers_.find(*a, now_s, [&](const Peer& q) { return q.channel == channel && q.bound(now_s); });
  if (p == nullptr || !p->permitted(now_s)) return dropped<ToPeer>(Drop::turn_no_permission);
  const ToPeer to = to_peer(*a, {p->address, p->port}, kChannelHeader, len, now);
  counters_.channel_to_peer += to.drop == Drop::none;
  return to;
}

ToPeer Server::on_indication(const ClientKey& client, uint32_t allocation, const stun::View& view,
                             Micros now) {
  if (view.cls() != stun::Class::indication || view.method() != static_cast<uint16_t>(stun::Method::send))
    return dropped<ToPeer>(Drop::stun_unsupported);
  const uint32_t now_s = seconds_of(now);
  Allocation* a = allocations_.live(allocation, now_s);
  if (a == nullptr || !a->client.same(client)) return dropped<ToPeer>(Drop::turn_no_allocation);

  constexpr std::array kKnown{Attr::xor_peer_address, Attr::data, Attr::dont_fragment};
  std::array<uint16_t, 1> unknown;
  const auto peer = view.xor_address(Attr::xor_peer_address);
  const auto data = view.find(Attr::data);
  const bool dont_fragment = view.has(Attr::dont_fragment);
  // RFC 8656 §11.2: an indication that cannot be obeyed is dropped.
  if (!peer || peer->port == 0 || !data || data->size() > kMaxPayload ||
      view.unknown_required(unknown, kKnown) != 0 || (dont_fragment && !config_.dont_fragment))
    return dropped<ToPeer>(Drop::stun_malformed);
  const Peer* p =
      peers_.find(*a, now_s, [&](const Peer& q) { return q.address == peer->addr && q.permitted(now_s); });
  if (p == nullptr) {
    const bool denied = policy_.verdict(peer->addr) == PeerVerdict::denied;
    return dropped<ToPeer>(denied ? Drop::turn_peer_denied : Drop::turn_no_permission);
  }
  if (a->is(Allocation::kPortsOnly) && !policy_.endpoint_allowed(*peer))
    return dropped<ToPeer>(Drop::turn_peer_denied);
  ToPeer to =
      to_peer(*a, *peer, static_cast<size_t>(data->data() - view.datagram().data()), data->size(), now);
  to.dont_fragment = dont_fragment;
  counters_.send_to_peer += to.drop == Drop::none;
  return to;
}

ToClient Server::from_peer(const Endpoint& relay, const Endpoint& peer, MutBytes payload, Micros now) {
  const uint32_t now_s = seconds_of(now), index = relays_.find(relay);
  Allocation* a = allocations_.live(index, now_s);
  if (a == nullptr) return dropped<ToClient>(Drop::turn_no_allocation);
  if (payload.size() > kMaxPayload) return dropped<ToClient>(Drop::oversize);
  bool permitted = false;
  const Peer* channel = peers_.find(*a, now_s, [&](const Peer& p) {
    if (p.address != peer.addr || !p.permitted(now_s)) return false;
    permitted = true;
    return p.port == peer.port && p.bound(now_s);
  });
  if (!permitted) return dropped<ToClient>(Drop::turn_no_permission);
  if (a->is(Allocation::kPortsOnly) && !policy_.endpoint_allowed(peer))
    return dropped<ToClient>(Drop::turn_peer_denied);
  if (const Drop d = charge(*a, payload.size(), false, now); d != Drop::none) return dropped<ToClient>(d);

  ToClient to;
  to.allocation = index;
  to.client = a->client;
  if (channel != nullptr) {
    write_channel_data(to, channel->channel, payload, a->client.is_stream());
    ++counters_.channel_to_client;
    return to;
  }
  stun::TransactionId tid;
  store_be<uint64_t>(tid.data(), next_random(indication_));
  store_be<uint32_t>(&tid[8], static_cast<uint32_t>(next_random(indication_)));
  write_data_indication(to, peer, tid, payload);
  ++counters_.data_to_client;
  return to;
}

}  // namespace sluice::turn
