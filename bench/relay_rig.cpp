#include "bench/relay_rig.h"

#include <cstdio>
#include <cstdlib>

#include <fmt/format.h>

#include "engine/role/relay.h"
#include "net/crypto/hmac.h"
#include "net/stun/builder.h"

namespace sluice::bench {
namespace {

constexpr io::PortRange kPorts{20'000, 59'999};

ice::ShardKeys relay_keys() {
  ice::ShardKeys keys;
  keys.add_route_key(0, std::array<uint8_t, 16>{1, 2, 3});
  return keys;
}

engine::relay::RelayConfig config_of(const RelayRigOptions& o) {
  engine::relay::RelayConfig c;
  c.on = true;
  c.addresses = {Address::v4(203, 0, 113, 1)};
  c.ports = kPorts;
  c.max_flows = o.flows;
  c.max_routes = std::max(o.routes, 1U);
  c.max_servers = o.servers + 1;
  return c;
}

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "relay rig: %s\n", what);
  std::exit(1);
}

std::unique_ptr<srtp::Cipher> any_cipher() {
  auto cipher = srtp::Cipher::make(srtp::Kind::openssl);
  if (!cipher) fail("no cipher");
  return std::move(*cipher);
}

stun::TransactionId tid_of(uint32_t i) {
  stun::TransactionId tid{};
  store_be<uint32_t>(tid.data(), 0x5A5A5A5A);
  store_be<uint32_t>(tid.data() + 8, i);
  return tid;
}

}  // namespace

RelayRig::RelayRig(const RelayRigOptions& o) : keys_(relay_keys()), links_(1, {}), options_(o) {
  const auto config = config_of(o);
  engine::ShardLimits limits{.sessions = 1, .rooms = 1, .flows = 64, .pool_slots = 2048};
  limits.relay = {.flows = o.flows, .servers = config.max_servers};
  limits.relay_ports_bytes = engine::relay::LocalPorts::bytes_for(config.addresses.size(), config.ports);
  control_ = std::make_unique<engine::relay::Control>(
      config, 1, random_.view(), [this](const engine::Command& c) { (*links_.commands[0])->try_push(c); });
  shard_ = std::make_unique<engine::Shard>(ShardId{0}, 1, limits, directory_, links_.ports_of(0),
                                           relay_keys(), any_cipher(), random_.view(), seconds(1), 0);
  auto backend = std::make_unique<NullBackend>(shard_->pool());
  backend_ = backend.get();
  shard_->set_backend(std::move(backend));
  shard_->set_busy_poll(true);
  shard_->core().start_relay(control_->shared(), {.media = false, .idle = seconds(60)});
  for (uint32_t s = 0; s < o.servers; ++s) {
    if (!control_->put_server({.id = {0, static_cast<uint16_t>(s)}, .address = server_of(s)}))
      fail("no server");
    step();
  }
  std::vector<engine::relay::RouteRequest> routes;
  for (uint32_t r = 0; r < o.routes; ++r)
    routes.push_back({.ufrag = fmt::format("route{:08d}", r), .prefix = false, .server = server_of(0)});
  if (!routes.empty() && !control_->put_routes(routes, 1)) fail("no routes");
  step();
}

Endpoint RelayRig::server_of(uint32_t i) const {
  return {Address::v4(0xC6336400 + i % options_.servers), 7000};
}

std::vector<uint8_t> RelayRig::check(uint32_t i, bool forged) {
  ice::UfragFields f;
  f.node = static_cast<uint16_t>(i % options_.servers);
  f.session_index = i;
  f.expiry = 100;
  const auto ufrag = keys_.keys().routes.mint(f, 0);
  std::string text(ice::text(ufrag));
  if (forged) text.back() = text.back() == 'A' ? 'B' : 'A';
  std::array<uint8_t, 256> buffer;
  stun::Builder b(buffer, stun::Class::request, stun::Method::binding, tid_of(i));
  b.username(text, "abcd");
  b.u32(stun::Attr::priority, 1);
  b.u64(stun::Attr::ice_controlling, 1);
  b.flag(stun::Attr::use_candidate);
  b.integrity(stun::Integrity::sha1, crypto::kPrimitives, as_bytes("the relay owns no password"));
  b.fingerprint();
  return {b.message().begin(), b.message().end()};
}

Endpoint RelayRig::connect(uint32_t i) {
  place(client(i), kPublic, check(i));
  step();
  const engine::FlowValue* const flow = core().flows.find({client(i), kPublic});
  if (flow == nullptr || !flow->is(engine::FlowKind::relay)) fail("no flow");
  const Endpoint relay{core().relay.ports.addresses()[flow->relay.relay_address], flow->relay.relay_port};
  std::array<uint8_t, 256> buffer;
  stun::Builder b(buffer, stun::Class::success, stun::Method::binding, tid_of(i));
  b.fingerprint();
  place(server_of(i), relay, b.message());
  step();
  if (!core().flows.find({client(i), kPublic})->relay.confirmed) fail("not confirmed");
  return relay;
}

void RelayRig::end_all() {
  std::vector<FlowKey> keys;
  core().flows.for_each([&](const FlowKey& key, const engine::FlowValue& v) {
    if (v.is(engine::FlowKind::relay)) keys.push_back(key);
  });
  for (const FlowKey& key : keys) engine::relay::end_flow(core(), key);
}

}  // namespace sluice::bench
