#include <algorithm>
#include <vector>

#include "engine/capi/handle.h"

using namespace sluice;

namespace {

const char* transport_of(const sluice_engine& e, const turn::ClientKey& client) {
  if (!client.is_stream()) return "udp";
  const auto& tls = e.engine->config().turn.tls_listen;
  return std::ranges::find(tls, client.local.port, &Endpoint::port) == tls.end() ? "tcp" : "tls";
}

sluice_turn_allocation allocation(const sluice_engine& e, const engine::TurnAllocation& a, uint64_t now_s) {
  const turn::AllocationInfo& info = a.report.info;
  EndpointText text;
  sluice_turn_allocation s{};
  s.id = a.name;
  s.shard = a.shard.v;
  capi::copy_text(s.client, format(info.client.remote, text));
  capi::copy_text(s.transport, transport_of(e, info.client));
  capi::copy_text(s.user, a.report.user.view());
  for (size_t i = 0; i < info.relays.size(); ++i)
    if (info.relays[i].port != 0) capi::copy_text(s.relayed[i], format(info.relays[i], text));
  s.permissions = info.peers;
  s.channels = info.channels;
  s.mobile = info.mobile ? 1 : 0;
  s.age_s = now_s - std::min<uint64_t>(now_s, info.made_s);
  s.lifetime_s = info.ends_s - std::min<uint64_t>(now_s, info.ends_s);
  s.up_packets = info.traffic.to_peer_packets;
  s.up_bytes = info.traffic.to_peer_bytes;
  s.down_packets = info.traffic.to_client_packets;
  s.down_bytes = info.traffic.to_client_bytes;
  return s;
}

}  // namespace

extern "C" {

size_t sluice_turn_allocations(sluice_engine* e, uint64_t after, sluice_turn_allocation* out, size_t cap) {
  if (cap == 0 || out->size == 0) return 0;
  size_t n = 0;
  (void)capi::guarded(nullptr, [&] {
    std::vector<engine::TurnAllocation> page(cap);
    n = e->engine->turn_allocations(after, page);
    const auto now_s = static_cast<uint64_t>(capi::monotonic_now().us / 1'000'000);
    for (size_t i = 0; i < n; ++i) capi::hand_out_at(out, i, allocation(*e, page[i], now_s));
    return SLUICE_OK;
  });
  return n;
}

sluice_code sluice_end_turn_allocation(sluice_engine* e, uint64_t id, sluice_error* err) {
  return capi::guarded(err, [&] {
    const auto done = e->engine->end_allocation(id);
    return done ? SLUICE_OK : capi::report(err, done.error());
  });
}

}  // extern "C"
