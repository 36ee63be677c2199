#include "tests/sim/tier.h"

namespace sluice::sim {
namespace {

constexpr Endpoint kFront{Address::v4(192, 0, 2, 1), 3478};
const Endpoint kFront6{*parse_address("2001:db8:5::1"), 3478};
constexpr Address kRelayAddress = Address::v4(192, 0, 2, 2);

engine::relay::FleetKey fleet_key(bool with_ice) {
  engine::relay::FleetKey k;
  k.id = 3;
  for (uint8_t& b : k.route) b = static_cast<uint8_t>(17 + 5 * (&b - k.route.data()));
  if (!with_ice) return k;
  k.ice.emplace();
  for (uint8_t& b : *k.ice) b = static_cast<uint8_t>(99 + 3 * (&b - k.ice->data()));
  return k;
}

Endpoint media_address(uint8_t n) { return {Address::v4(198, 18, 0, n), 3478}; }
Endpoint plain_address(uint8_t n) { return {Address::v4(198, 19, 0, n), 7000}; }
/// Of a phone or its NAT: 198.51.128.0/17.
Address phone_address(uint32_t n) {
  return Address::v4(198, 51, static_cast<uint8_t>(128 + (n >> 8)), static_cast<uint8_t>(n));
}
Endpoint phone_inside(uint32_t n) {
  return {Address::v4(10, 1, static_cast<uint8_t>(n >> 8), static_cast<uint8_t>(n)), 50'000};
}

std::vector<Endpoint> fronts(const TierOptions& o) {
  return o.ipv6 ? std::vector{kFront, kFront6} : std::vector{kFront};
}

/// The media engine's, and the relay's, whose shards have one each.
Endpoint trunk_server(const Endpoint& media) { return {media.addr, 3479}; }
engine::relay::TrunkConfig trunk_config(uint32_t shards, const Endpoint& server, const Address& relay) {
  engine::relay::TrunkConfig t;
  t.key.emplace().fill(0x5a);
  for (uint32_t s = 0; s < shards; ++s)
    t.sockets.push_back({.server = server, .relay = {relay, static_cast<uint16_t>(4000 + s)}});
  return t;
}

NodeOptions media_options(const TierOptions& o, uint8_t number) {
  NodeOptions media = o.world;
  media.listen = {media_address(number)};
  media.engine.candidates = fronts(o);
  media.engine.node = Tier::id_of(number - 1U);
  media.engine.keys = {fleet_key(true)};
  if (o.trunk)
    media.engine.trunk =
        trunk_config(media.engine.shards, trunk_server(media.listen[0]), media.listen[0].addr);
  media.engine.trunk.direct = o.trunk && o.direct;
  return media;
}

NodeOptions relay_options(const TierOptions& o) {
  NodeOptions relay = o.relay;
  relay.listen = fronts(o);
  relay.engine.shards = o.relay_shards;
  relay.engine.media = o.both;
  relay.engine.keys = {fleet_key(o.both)};
  relay.engine.relay.on = true;
  relay.engine.relay.addresses = {kRelayAddress};
  if (o.trunk) relay.engine.trunk = trunk_config(o.relay_shards, {kRelayAddress, 3479}, kRelayAddress);
  return relay;
}

WorldOptions world_options(const TierOptions& o) {
  WorldOptions w = o.world;
  w.seed = o.seed;
  static_cast<NodeOptions&>(w) = relay_options(o);
  return w;
}

}  // namespace

TierOptions::TierOptions() {
  relay.engine = world.engine;
  engine::relay::RelayConfig& r = relay.engine.relay;
  r.ports = {50'000, 50'511};
  r.max_flows = 512;
  r.max_routes = 64;
  r.max_servers = 16;
  r.idle = seconds(20);
  server_link.delay = millis(2);
}

Tier::Tier(TierOptions options)
    : options_(std::move(options)), w_(std::make_unique<World>(world_options(options_))) {
  relay_ = &w_->node(0);
  for (uint32_t i = 0; i < options_.media_nodes; ++i) {
    media_.push_back(&w_->add_node(media_options(options_, ++addresses_)));
    tell_media(i);
  }
  for (uint32_t i = 0; i < options_.plain_servers; ++i) {
    const Endpoint at = plain_address(static_cast<uint8_t>(i + 1));
    plain_.push_back(&w_->add_station<PlainServer>(at.addr, at, std::string{'s', static_cast<char>('A' + i)},
                                                   options_.plain_checks, w_->client_random(),
                                                   options_.server_link, w_->fork()));
    put_plain_route(i);
  }
}

Host& Tier::call(const HostOptions& o, size_t media) {
  return w_->call(o, media < media_.size() ? media_[media]->number() : 0);
}

Phone& Tier::phone(const PhoneOptions& o, const EdgeOptions& edge, const LinkOptions& up,
                   const LinkOptions& down, size_t plain) {
  const Address outside = phone_address(++nats_);
  const auto inside = phone_inside(static_cast<uint32_t>(phones_.size()) + 1);
  return add_phone(o, Edge(edge, inside, outside, w_->fork()), up, down, outside, plain);
}

Phone& Tier::phone(const PhoneOptions& o, std::shared_ptr<Nat> nat, size_t plain) {
  const auto inside = phone_inside(static_cast<uint32_t>(phones_.size()) + 1);
  const Address outside = nat->outside();
  return add_phone(o, Edge(std::move(nat), inside), {}, {}, outside, plain);
}

std::shared_ptr<Nat> Tier::nat(const NatOptions& kind) {
  return std::make_shared<Nat>(kind, phone_address(++nats_), w_->fork());
}

Phone& Tier::add_phone(const PhoneOptions& o, Edge edge, const LinkOptions& up, const LinkOptions& down,
                       const Address& outside, size_t plain) {
  Link u(up, w_->fork());
  Link d(down, w_->fork());
  Phone& p = w_->add_station<Phone>(outside, o, std::move(edge), u, d, w_->client_random());
  phones_.push_back(&p);
  p.dial(plain_[plain]->admit(p.local()), kFront, w_->now());
  w_->poke(p);
  return p;
}

void Tier::move_media(size_t i, bool told) {
  if (options_.trunk) return;  // its trunk's sockets would stay behind
  media_[i]->move({media_address(++addresses_)});
  if (told) tell_media(i);
}

void Tier::tell_media(size_t i) {
  const Endpoint& at = media_[i]->options().listen[0];
  relay_->put_server(
      {.id = id_of(i), .address = options_.trunk ? trunk_server(at) : at, .trunk = options_.trunk});
}

engine::relay::RouteRequest Tier::route_of(size_t plain, uint32_t ttl_s) const {
  return {.ufrag = plain_[plain]->prefix(), .prefix = true, .server = plain_[plain]->at(), .ttl_s = ttl_s};
}

void Tier::put_plain_route(size_t i, uint32_t ttl_s) { relay_->put_routes({route_of(i, ttl_s)}); }
void Tier::remove_plain_route(size_t i) { relay_->remove_routes({route_of(i, 1)}); }

void Tier::restart_relay(Micros away) {
  if (!relay_->runs()) return;
  relay_->stop();
  for (const auto& h : w_->hosts()) {
    if (h->node != relay_) continue;
    h->peer.die();
    h->key = {};
  }
  w_->at(w_->now() + away, [this] { relay_->start(); });
}

}  // namespace sluice::sim
