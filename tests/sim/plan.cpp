#include <fmt/format.h>

#include "tests/sim/swarm.h"

namespace sluice::sim {
namespace {

using test::CallRole;

constexpr const char* kAllProfiles = "SRTP_AEAD_AES_128_GCM:SRTP_AEAD_AES_256_GCM:SRTP_AES128_CM_SHA1_80";

const char* draw_profiles(Rng& r) {
  switch (r.below(5)) {
    case 0:
      return "SRTP_AES128_CM_SHA1_80";
    case 1:
      return "SRTP_AEAD_AES_256_GCM";
    case 2:
      return "SRTP_AEAD_AES_128_GCM";
    default:
      return kAllProfiles;
  }
}

}  // namespace

LinkOptions draw_link(Rng& r, bool lossy, bool corrupting) {
  LinkOptions o;
  o.delay = r.between(millis(1), millis(80));
  if (r.chance(0.5)) o.jitter = r.between({}, millis(30));
  if (lossy) {
    if (r.chance(0.7)) o.loss = r.unit() * 0.1;
    if (r.chance(0.3)) o.burst_enter = 0.01, o.burst_leave = 0.1 + r.unit() * 0.4;
    if (r.chance(0.5)) o.reorder = r.unit() * 0.1;
    if (r.chance(0.5)) o.duplicate = r.unit() * 0.1;
    if (r.chance(0.2)) o.bits_per_second = 2'000'000 + r.below(8'000'000);
  }
  if (corrupting) o.corrupt = r.unit() * 0.03;
  return o;
}

EdgeOptions draw_edge(Rng& r, bool nat) {
  EdgeOptions o;
  o.nat = nat && r.chance(0.8);
  o.kind.mapping = static_cast<Behaviour>(r.below(3));
  o.kind.filtering = static_cast<Behaviour>(r.below(3));
  o.kind.lifetime = r.between(seconds(20), seconds(120));
  o.kind.preserves_ports = r.chance(0.3);
  o.kind.inbound_refreshes = r.chance(0.5);
  return o;
}

namespace {

HostOptions draw_call(Rng& r, const Plan& p, uint32_t id) {
  HostOptions o;
  o.peer.id = id;
  o.peer.role = static_cast<CallRole>(r.below(3));
  o.name = o.peer.role == CallRole::agent ? "echo" : r.chance(0.7) ? "a" : "b";
  o.peer.video = o.peer.role != CallRole::agent && r.chance(0.2);
  o.peer.nack = r.chance(0.5);
  o.peer.dtls.srtp = draw_profiles(r);
  if (r.chance(0.3)) o.peer.dtls.mtu = 300;
  o.peer.ice.nominate_always = r.chance(0.5);
  o.peer.ice.consent_interval = r.chance(0.5) ? millis(2500) : seconds(5);
  if (r.chance(0.3)) o.peer.audio.talk = r.between(millis(300), seconds(2));
  if (o.peer.audio.talk.us > 0) o.peer.audio.silence = r.between(millis(100), seconds(1));
  o.peer.audio.payload = 20 + r.below(160);
  o.edge = draw_edge(r, p.nat);
  o.up = draw_link(r, p.lossy, p.corrupting);
  o.down = draw_link(r, p.lossy, p.corrupting);
  o.ipv6 = p.world.listen.size() > 1 && r.chance(0.5);
  // Behind a NAT one family is enough.
  if (o.ipv6) o.edge.nat = false;
  return o;
}

void draw_world(Rng& r, Plan& p) {
  WorldOptions& w = p.world;
  w.seed = p.seed;
  w.engine.shards = static_cast<uint32_t>(r.chance(0.3) ? 1 : r.chance(0.7) ? 2 : r.between(3, 4));
  w.engine.max_sessions = 32;
  w.engine.echo_delay = r.chance(0.7) ? r.between({}, millis(400)) : Micros{};
  w.engine.srtp = r.chance(0.7) ? srtp::Kind::automatic : srtp::Kind::openssl;
  w.client_srtp = r.chance(0.2) ? srtp::Kind::libsrtp : srtp::Kind::openssl;
  w.steer = r.chance(0.5);
  if (r.chance(0.3)) w.listen.push_back({*parse_address("2001:db8:5::1"), 3478});
  if (r.chance(0.6)) {
    w.shard_lag = r.between({}, millis(5));
    w.worker_lag = r.between({}, millis(20));
    w.control_lag = r.between({}, millis(50));
  }
  if (!p.tiny) return;
  w.engine.pool_slots = static_cast<uint32_t>(r.between(80, 200));
  w.engine.peer_ring = static_cast<uint32_t>(1 << r.between(1, 4));
  w.engine.handshake_ring = static_cast<uint32_t>(1 << r.between(3, 4));
  w.queues = {.rx_queue = static_cast<uint32_t>(r.between(16, 128)),
              .tx_queue = static_cast<uint32_t>(r.between(32, 128))};
}

RelayPlan::Light draw_phone(Rng& r, const Plan& p, uint32_t id, const RelayPlan& relay) {
  RelayPlan::Light l;
  l.phone.id = id;
  l.phone.interval = millis(100);
  l.phone.ice.nominate_always = r.chance(0.5);
  l.phone.ice.consent_interval = r.chance(0.5) ? millis(2500) : seconds(5);
  l.edge = draw_edge(r, p.nat);
  l.up = draw_link(r, p.lossy, p.corrupting);
  l.down = draw_link(r, p.lossy, p.corrupting);
  l.plain = r.below(relay.tier.plain_servers);
  l.shares = p.nat && r.chance(0.5);
  return l;
}

TurnPlan::Client draw_turn_client(Rng& r, const Plan& p) {
  TurnPlan::Client c;
  c.phone.interval = millis(200);
  c.phone.refresh = r.between(seconds(2), seconds(4));
  c.phone.insists = true;
  c.phone.mobile = r.chance(0.5);
  c.phone.indications = r.chance(0.3);
  c.phone.reserves = r.chance(0.2);
  c.edge = draw_edge(r, p.nat);
  c.link = draw_link(r, p.lossy, p.corrupting);
  return c;
}

std::optional<TurnPlan> draw_turn(Rng& r, const Plan& p, TierOptions& tier) {
  if (!r.chance(0.4)) return std::nullopt;
  engine::relay::TurnConfig& config = tier.relay.engine.turn;
  config.on = true;
  config.users = {{"alice", "wonderland"}};
  config.max_allocations = 128;
  TurnPlan out;
  out.coming_and_going = r.chance(0.5);
  const auto clients = static_cast<uint32_t>(r.between(1, 8));
  for (uint32_t i = 0; i < clients; ++i) out.clients.push_back(draw_turn_client(r, p));
  return out;
}

RelayPlan draw_relay(Rng& r, const Plan& p) {
  RelayPlan out;
  TierOptions& t = out.tier;
  t.seed = p.seed;
  t.world = p.world;
  t.ipv6 = p.world.listen.size() > 1;
  t.world.backbone = draw_link(r, p.lossy && r.chance(0.3), false);
  t.world.backbone.delay = r.between(micros(100), millis(20));
  t.server_link = draw_link(r, false, false);
  t.relay_shards = static_cast<uint32_t>(r.between(1, 4));
  t.both = r.chance(0.3);
  t.trunk = r.chance(0.4);
  t.media_nodes = static_cast<uint32_t>(r.between(1, 2));
  t.plain_servers = static_cast<uint32_t>(r.between(1, 2));
  t.plain_checks = r.chance(0.5);
  t.relay.steer = p.world.steer;
  t.relay.shard_lag = p.world.shard_lag;
  t.relay.worker_lag = p.world.worker_lag;
  t.relay.control_lag = p.world.control_lag;
  // Longer than any server goes on sending to a client that has gone.
  t.relay.engine.relay.idle = seconds(31);
  if (p.tiny) {
    t.relay.engine.pool_slots = static_cast<uint32_t>(r.between(80, 200));
    t.relay.engine.relay.max_flows = static_cast<uint32_t>(r.between(100, 200));
    if (t.both) t.relay.engine.peer_ring = p.world.engine.peer_ring;
  }
  out.neighbourhood = draw_edge(r, true).kind;
  out.restarting = r.chance(0.3);
  out.moving = r.chance(0.3);
  out.removing = r.chance(0.3);
  out.rerouting = r.chance(0.3);
  const auto phones = static_cast<uint32_t>(r.between(1, 6));
  for (uint32_t i = 0; i < phones; ++i) out.phones.push_back(draw_phone(r, p, i + 1, out));
  out.turn = draw_turn(r, p, t);
  t.direct = r.chance(0.5);
  return out;
}

std::string describe(const RelayPlan& p) {
  std::string out = fmt::format("; relay of {} shards{}, {} media engines, {} other servers, {} phones",
                                p.tier.relay_shards, p.tier.both ? " with media" : "", p.tier.media_nodes,
                                p.tier.plain_servers, p.phones.size());
  if (p.tier.trunk) out += p.tier.direct ? ", trunk with direct answers" : ", trunk";
  if (p.restarting) out += ", restarting";
  if (p.moving) out += ", moving";
  if (p.removing) out += ", removing";
  if (p.rerouting) out += ", rerouting";
  if (p.turn) out += fmt::format(", {} TURN clients", p.turn->clients.size());
  if (p.turn && p.turn->coming_and_going) out += " that come and go";
  return out;
}

}  // namespace

Plan draw(uint64_t seed) {
  Rng r(seed * 0x9e3779b97f4a7c15 + 1);
  Plan p;
  p.seed = seed;
  p.lossy = r.chance(0.6);
  p.corrupting = r.chance(0.2);
  p.nat = r.chance(0.6);
  p.rebinding = r.chance(0.4);
  p.restarting = r.chance(0.4);
  p.hanging_up = r.chance(0.4);
  p.takeover = r.chance(0.4);
  p.attacked = r.chance(0.5);
  p.tiny = r.chance(0.15);
  p.stalling = r.chance(0.2);
  p.safety = r.between(seconds(3), seconds(7));
  draw_world(r, p);
  const auto calls = static_cast<uint32_t>(r.between(2, 5));
  for (uint32_t i = 0; i < calls; ++i) p.calls.push_back(draw_call(r, p, i + 1));
  return p;
}

Plan draw_relayed(uint64_t seed) {
  Plan p = draw(seed);
  Rng r(seed + 0x72656c6179);
  p.relay = draw_relay(r, p);
  return p;
}

std::string describe(const Plan& p) {
  std::string out = fmt::format("seed {}: {} shards{}, {} calls", p.seed, p.world.engine.shards,
                                p.world.steer ? " steered" : "", p.calls.size());
  const auto add = [&](bool on, const char* what) {
    if (on) out += fmt::format(", {}", what);
  };
  add(p.lossy, "lossy");
  add(p.corrupting, "corrupting");
  add(p.nat, "NAT");
  add(p.rebinding, "rebinding");
  add(p.restarting, "ICE restarts");
  add(p.hanging_up, "hang-ups");
  add(p.takeover, "takeovers");
  add(p.attacked, "attacked");
  add(p.tiny, "tiny");
  add(p.stalling, "stalling");
  return p.relay ? out + describe(*p.relay) : out;
}

}  // namespace sluice::sim
