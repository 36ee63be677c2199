#include "net/trunk/trunk.h"

#include <cassert>

namespace sluice::trunk {
namespace {

/// An epoch's low bits are the index that whoever drew it has for the peer.
constexpr int kIndexBits = 16;
constexpr uint64_t kIndexMask = (uint64_t{1} << kIndexBits) - 1;

}  // namespace

Trunk::Trunk(const Config& config, Memory memory, const crypto::Primitives& crypto, crypto::Gmac gmac,
             crypto::Random random)
    : config_(config), peers_(memory.peers), rx_(memory.rx), crypto_(crypto), gmac_(gmac), random_(random) {
  assert(peers_.size() < kNoPeer && rx_.size() < UINT16_MAX);
  assert(gmac_.places >= gmac_places(peers_.size(), rx_.size()));
  assert(config_.shard < kMaxPeerShards && config_.shards >= 1 && config_.shards <= kMaxPeerShards);
  assert(config_.max_datagram >= kMinMaxDatagram && config_.max_single >= config_.max_datagram);
  assert(config_.down_after > config_.hello_interval);
  std::ranges::fill(peers_, Peer{});
  std::ranges::fill(rx_, Rx{});
}

Trunk::~Trunk() {
  for (Key& k : keys_) crypto::cleanse(k);
}

void Trunk::set_key(uint8_t id, const Key& key) {
  id %= kMaxKeyIds;
  remove_key(id);
  keys_[id] = key;
  keys_present_ = static_cast<uint16_t>(keys_present_ | 1U << id);
}

void Trunk::remove_key(uint8_t id) {
  id %= kMaxKeyIds;
  if (!has_key(id)) return;
  for (size_t i = 0; i < peers_.size(); ++i)
    if (peers_[i].key_id == id) remove(static_cast<PeerIndex>(i));
  crypto::cleanse(keys_[id]);
  keys_present_ = static_cast<uint16_t>(keys_present_ & ~(1U << id));
}

std::optional<PeerIndex> Trunk::add_server(uint32_t id, const Endpoint& remote, uint8_t key_id, Micros now) {
  if (key_id >= kMaxKeyIds || !has_key(key_id)) return {};
  const PeerIndex i = free_peer();
  if (i == kNoPeer) return {};
  Peer& p = peers_[i];
  p = {.role = Role::server, .key_id = key_id, .next_hello = now, .remote = remote};
  p.association = {.relay = config_.id, .server = id, .relay_shard = config_.shard};
  begin_epoch(i);
  wake_at(now);
  return i;
}

std::optional<PeerIndex> Trunk::adopt(const Route& route) {
  Association a = route.association;
  a.server_shard = config_.shard;
  for (size_t i = 0; i < peers_.size(); ++i)
    if (peers_[i].role == Role::adopted && peers_[i].association == a && peers_[i].key_id == route.key_id) {
      peers_[i].remote = route.remote;
      return static_cast<PeerIndex>(i);
    }
  if (route.key_id >= kMaxKeyIds || !has_key(route.key_id)) return {};
  const PeerIndex i = free_peer();
  if (i == kNoPeer) return {};
  const SubKey down = sub_key(route.key_id, Purpose::to_relay, a);
  gmac_.set_key(tx_place(i), down.key.data());
  peers_[i] = {.role = Role::adopted,
               .state = State::up,
               .key_id = route.key_id,
               .max_datagram = route.max_datagram,
               .tx_salt = down.salt,
               .tx_sequence = adopted_sequence_,
               .remote = route.remote,
               .local = route.local,
               .association = a};
  return i;
}

std::optional<Route> Trunk::route(PeerIndex peer) const {
  const Peer& p = peers_[peer];
  if (p.role != Role::relay || p.state != State::up) return {};
  return Route{.association = p.association,
               .remote = p.remote,
               .local = p.local,
               .max_datagram = p.max_datagram,
               .key_id = p.key_id};
}

void Trunk::remove(PeerIndex peer) {
  Peer& p = peers_[peer];
  // Whoever is adopted again has the same keys as before.
  if (p.role == Role::adopted) adopted_sequence_ = std::max(adopted_sequence_, p.tx_sequence);
  release_rx(p);
  p = {};
}

PeerIndex Trunk::free_peer() {
  for (size_t n = 0; n < peers_.size(); ++n) {
    const size_t i = (next_free_ + n) % peers_.size();
    if (peers_[i].role != Role::none) continue;
    next_free_ = i + 1;
    return static_cast<PeerIndex>(i);
  }
  return kNoPeer;
}

uint64_t Trunk::draw_epoch(PeerIndex peer) const {
  uint64_t drawn = 0;
  while (drawn == 0) drawn = random_.u64() & ~kIndexMask;  // 0 is "none"
  return drawn | peer;
}

/// A server has to be asked anew who answers there.
void Trunk::begin_epoch(PeerIndex peer) {
  Peer& p = peers_[peer];
  release_rx(p);
  p.state = State::down;
  p.silent_at = kNever;
  p.association.relay_epoch = draw_epoch(peer);
  p.association.server_epoch = 0;
  p.association.server_shard = 0;
  p.hellos = {};
  // Should 48 random bits ever repeat, the nonces still would not; and 2^56 hellos are more than any life
  // has.
  p.hello_sequence = random_.u64() >> 8;
}

bool Trunk::add_rx(Peer& p, uint8_t shard, const SubKey& sub) {
  const auto free = std::ranges::find(rx_, false, &Rx::used);
  if (free == rx_.end()) return false;
  const auto i = static_cast<size_t>(free - rx_.begin());
  rx_[i] = {.window = {}, .salt = sub.salt, .used = true};
  gmac_.set_key(rx_place(i), sub.key.data());
  p.rx[shard] = static_cast<uint16_t>(i + 1);
  return true;
}

void Trunk::release_rx(Peer& p) {
  for (uint16_t& i : p.rx) {
    if (i != 0) rx_[i - 1u].used = false;
    i = 0;
  }
}

SubKey Trunk::sub_key(uint8_t key_id, Purpose purpose, const Association& a) const {
  return derive(crypto_, keys_[key_id], purpose, a);
}

bool Trunk::authentic(uint32_t place, const std::array<uint8_t, 4>& salt, const Header& h,
                      Bytes datagram) const {
  std::array<uint8_t, kTagBytes> tag;
  const size_t signed_bytes = datagram.size() - kTagBytes;
  gmac_.tag(place, nonce(salt, h.sequence).data(), datagram.first(signed_bytes), tag.data());
  return crypto::equal_constant_time(tag, datagram.subspan(signed_bytes));
}

bool Trunk::authentic(const SubKey& sub, const Header& h, Bytes datagram) const {
  gmac_.set_key(kScratch, sub.key.data());
  return authentic(kScratch, sub.salt, h, datagram);
}

Drop Trunk::accept(const Peer& p, const Header& h, Bytes datagram) {
  const size_t i = p.rx[h.shard] - 1u;
  Rx& rx = rx_[i];
  if (rx.window.check(h.sequence) != Window::Freshness::fresh) return Drop::trunk_replayed;
  if (!authentic(rx_place(i), rx.salt, h, datagram)) return Drop::trunk_auth;
  rx.window.mark(h.sequence);
  return Drop::none;
}

bool Trunk::can_send(PeerIndex peer) const {
  return peers_[peer].role != Role::none && peers_[peer].state == State::up;
}

Writer Trunk::writer(PeerIndex peer) const {
  const uint16_t longest = peers_[peer].max_datagram;
  return Writer({.datagram = std::min(config_.max_datagram, longest), .single = longest});
}

size_t Trunk::seal(PeerIndex peer, Writer& writer, Writer::More more) {
  assert(can_send(peer));
  Peer& p = peers_[peer];
  const bool up = p.role == Role::server;
  const Seal seal{.header = {.type = up ? Type::to_server : Type::to_relay,
                             .key_id = p.key_id,
                             .shard = config_.shard,
                             .sender = config_.id,
                             .epoch = up ? p.association.server_epoch : p.association.relay_epoch,
                             .sequence = p.tx_sequence++},
                  .gmac = gmac_,
                  .place = tx_place(peer),
                  .salt = p.tx_salt};
  return writer.finish(seal, more);
}

Figures Trunk::figures(PeerIndex peer) const {
  const Peer& p = peers_[peer];
  Figures f{.rtt = p.rtt, .remote_lost = p.status.lost};
  for (uint16_t i : p.rx) {
    if (i == 0) continue;
    f.received += rx_[i - 1u].window.received();
    f.lost += rx_[i - 1u].window.lost();
  }
  return f;
}

size_t Trunk::write_control(const Peer& p, uint64_t echo, const Seal& seal, MutBytes out) const {
  assert(out.size() >= kControlBytes);
  const Figures f = figures(static_cast<PeerIndex>(&p - peers_.data()));
  const Status s{.draining = draining_,
                 .direct = config_.direct,
                 .shards = config_.shards,
                 .max_datagram = config_.max_single,
                 .server_epoch = p.association.server_epoch,
                 .echo = echo,
                 .received = f.received,
                 .lost = f.lost};
  write_header(out.data(), seal.header);
  write_status(out.data() + kHeaderBytes, s);
  constexpr size_t kSigned = kHeaderBytes + kStatusBytes;
  gmac_.tag(seal.place, nonce(seal.salt, seal.header.sequence).data(), out.first(kSigned),
            out.data() + kSigned);
  return kControlBytes;
}

}  // namespace sluice::trunk
