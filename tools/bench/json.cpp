#include "engine/control/json.h"

#include "tools/bench/scorecard.h"

namespace sluice::bench {
namespace {

using control::Json;

void put(Json& j, const Sample& s) {
  j.begin_object();
  j.member("offered", s.offered).member("delivered", s.delivered).member("loss_percent", s.loss * 100);
  j.member("cpu_ns_per_packet", s.cpu_ns)
      .member("receive_ns_per_packet", s.receive_ns)
      .member("core_ns_per_packet", s.core_ns);
  j.member("p50_ms", s.p50_ms).member("p99_ms", s.p99_ms);
  j.member("setups_per_second", s.setups).member("cpu_us_per_setup", s.setup_us);
  j.member("repeated_share", s.repeated).member("held", s.held);
  j.member("resident_bytes_each", s.resident).member("reserved_bytes_each", s.reserved);
  j.key("doubts").begin_array();
  for (const auto& why : s.doubts) j.value(why);
  j.end_array().end_object();
}

void put(Json& j, const Entry& e) {
  j.begin_object().member("key", e.key).member("title", e.title).member("version", e.version);
  j.key("absent");
  if (e.absent.empty())
    j.null();
  else
    j.value(e.absent);
  j.key("samples").begin_array();
  for (const Sample& s : e.samples) put(j, s);
  j.end_array().end_object();
}

void put(Json& j, const Scenario& s, const Comparison& c) {
  const auto ratios = s.ratios(c);
  const Spread spread = spread_of(ratios);
  j.begin_object().member("ours", c.ours).member("rival", c.rival).member("measure", name(c.measure));
  j.key("ratios").begin_array();
  for (const double r : ratios) j.value(r);
  j.end_array();
  j.member("median", spread.median).member("low", spread.low).member("high", spread.high);
  j.member("bar", text_of(c.bar)).member("verdict", name(judge(spread, c.bar))).end_object();
}

void put(Json& j, const Scenario& s) {
  j.begin_object().member("key", s.key).member("title", s.title).member("load", s.load);
  j.key("entries").begin_array();
  for (const Entry& e : s.entries) put(j, e);
  j.end_array();
  j.key("comparisons").begin_array();
  for (const Comparison& c : s.comparisons) put(j, s, c);
  j.end_array().end_object();
}

}  // namespace

std::string to_json(const Scorecard& card) {
  Json j;
  j.begin_object().member("schema", "sluice-bench/1");
  j.key("machine").begin_object();
  for (const Named& n : card.machine) j.member(n.what, n.value);
  j.end_object();
  j.key("how").begin_array();
  for (const auto& sentence : card.how) j.value(sentence);
  j.end_array();
  j.key("scenarios").begin_array();
  for (const Scenario& s : card.scenarios) put(j, s);
  j.end_array().end_object();
  return j.take() + "\n";
}

}  // namespace sluice::bench
