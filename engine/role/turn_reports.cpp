#include "engine/role/turn_reports.h"

#include <algorithm>

#include "engine/role/turn.h"

namespace sluice::engine {
namespace {

/// Of one turn of the shard's, so that a full house costs it microseconds.
constexpr uint32_t kReportsAtOnce = 128;

/// RFC 8489 §14.4: a USERHASH stands for a name that only the server's list tells.
std::string_view user_of(const Core& c, const stun::View& request) {
  if (const auto name = request.username()) return *name;
  const auto hash = request.find(stun::Attr::userhash);
  if (!hash) return {};
  const turn::User* user = c.turn.shared->credentials().find_userhash(*hash);
  return user != nullptr ? user->name() : std::string_view{};
}

void end(Core& c, uint32_t allocation, const turn::ClientKey& client) {
  c.turn.server->close(allocation, turn_ports(c));
  erase_turn_flow(c, client);
  if (client.is_stream()) c.close_stream(client.ifindex);
  report_allocation(c, allocation);
}

}  // namespace

void report_allocation(Core& c, uint32_t allocation, const stun::View* made_by) {
  SeqLocked<TurnReport>& place = c.turn.reports[allocation];
  TurnReport r;
  place.load(r);
  const auto info = c.turn.server->info(allocation, c.now);
  if (!info && !r.info.handle) return;
  if (!info) {
    r = {};
  } else {
    r.info = *info;
    if (made_by != nullptr) {
      const std::string_view user = user_of(c, *made_by);
      r.user = {};
      if (!user.empty()) r.user.assign(user.substr(0, r.user.data.size()));
      if (c.turn.reports_end.load(std::memory_order_relaxed) <= allocation)
        c.turn.reports_end.store(allocation + 1, std::memory_order_release);
    }
  }
  place.store(r);
}

void publish_allocations(Core& c) {
  TurnState& t = c.turn;
  const uint32_t all = t.reports_end.load(std::memory_order_relaxed);
  for (uint32_t i = std::min(all, kReportsAtOnce); i > 0; --i) {
    if (t.report_at >= all) t.report_at = 0;
    report_allocation(c, t.report_at++);
  }
}

void close_allocation(Core& c, Handle which) {
  if (!c.turn.on()) return;
  const auto info = c.turn.server->info(which.index, c.now);
  if (info && info->handle == which) end(c, which.index, info->client);
}

void end_allocations(Core& c) {
  if (!c.turn.on()) return;
  turn_expire(c);
  for (uint32_t i = 0; i < c.turn.reports_end.load(std::memory_order_relaxed); ++i)
    if (const auto info = c.turn.server->info(i, c.now)) end(c, i, info->client);
  c.turn.server->close_all(turn_ports(c));
}

}  // namespace sluice::engine
