#include "engine/control/http/v1_turn.h"

#include <optional>
#include <vector>

#include "engine/control/http/signalling.h"
#include "engine/control/http/v1_parts.h"
#include "engine/control/json.h"
#include "engine/control/log.h"

namespace sluice::http {
namespace {

using control::Json;

constexpr size_t kMaxPage = 1000;

}  // namespace

std::string allocation_json(const sluice_turn_allocation& a, bool whole) {
  Json json;
  json.begin_object()
      .member("id", std::to_string(a.id))
      .member("client", whole ? std::string(a.client) : control::masked_address(a.client))
      .member("transport", a.transport)
      .member("user", a.user)
      .key("relayed")
      .begin_array();
  for (const auto& relayed : a.relayed)
    if (relayed[0] != 0) json.value(relayed);
  json.end_array()
      .member("permissions", a.permissions)
      .member("channels", a.channels)
      .member("mobile", a.mobile != 0)
      .member("shard", a.shard)
      .member("age_s", a.age_s)
      .member("lifetime_s", a.lifetime_s);
  traffic(json, "up", a.up_packets, a.up_bytes);
  traffic(json, "down", a.down_packets, a.down_bytes);
  json.end_object();
  return json.take();
}

Response v1_turn_allocations(sluice_engine* engine, const Target& target) {
  const auto limit = number<size_t>(target.param("limit").value_or("100"));
  if (!limit || *limit == 0 || *limit > kMaxPage)
    return problem({400, "limit", "limit is a whole number from 1 to 1000.", "Leave it out for 100."});
  const auto after = number<uint64_t>(target.param("after").value_or("0"));
  if (!after) return problem({400, "after", "after is no id.", "Give what the page before names as next."});
  const auto addresses = target.param("addresses");
  if (addresses && *addresses != "whole" && *addresses != "masked")
    return problem({400, "addresses", "addresses is whole or masked.", "Leave it out for masked."});
  // One more than asked for tells whether there is a next page.
  std::vector<sluice_turn_allocation> page(*limit + 1, sized<sluice_turn_allocation>());
  page.resize(sluice_turn_allocations(engine, *after, page.data(), page.size()));
  const bool more = page.size() > *limit;
  if (more) page.pop_back();
  auto turn = sized<sluice_turn_stats>();
  sluice_get_turn_stats(engine, &turn);
  Json json;
  json.begin_object().member("total", turn.allocations).key("allocations").begin_array();
  for (const auto& a : page) json.raw(allocation_json(a, addresses == "whole"));
  json.end_array().key("next");
  more ? json.value(std::to_string(page.back().id)) : json.null();
  json.end_object();
  return json_response(json.take());
}

Response v1_end_turn_allocation(sluice_engine* engine, std::string_view id) {
  const auto allocation = number<uint64_t>(id);
  auto error = sized<sluice_error>();
  if (!allocation || sluice_end_turn_allocation(engine, *allocation, &error) != SLUICE_OK)
    return problem(
        {404, "allocation", "There is no such allocation.", "GET /v1/turn/allocations lists them."});
  control::LogLine(control::Level::info, "turn_allocation_ended").with("id", id);
  return json_response("{\"closed\":true}");
}

}  // namespace sluice::http
