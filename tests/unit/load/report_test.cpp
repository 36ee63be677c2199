#include "tools/load/report.h"

#include <boost/json.hpp>
#include <doctest/doctest.h>

namespace json = boost::json;
using namespace sluice;
using namespace sluice::load;

namespace {

Options options() {
  Options o;
  o.target = parse_endpoint("127.0.0.1:3478").value();
  o.command = {"sluice", "load", "udp", "--to", "\"quoted\""};
  o.cores = {1};
  return o;
}

Result result() {
  Result r;
  r.version = "9.9";
  r.wire = "1 socket";
  TrialRecord t;
  t.sessions = 100;
  t.seconds = 2;
  t.figures.up.sent = t.figures.up.expected = 1000;
  t.figures.up.delivered = 990;
  for (int i = 1; i <= 990; ++i) t.figures.up.latency.add(i * 1000);
  r.trials.push_back(t);
  r.setup.begun = r.setup.ready = 100;
  r.setup.failures["no answer"] = 2;
  r.series.resize(3);
  r.series[1].sent = 500;
  return r;
}

}  // namespace

TEST_CASE("The JSON has what its description promises") {
  const json::object j = json::parse(to_json(options(), result())).as_object();
  CHECK(j.at("schema") == "sluice-load/1");
  CHECK(j.at("version") == "9.9");
  CHECK(j.at("valid") == true);
  for (const char* key : {"name", "kernel", "machine", "cpu", "cpus"})
    CHECK(j.at("host").as_object().contains(key));
  const json::object& p = j.at("parameters").as_object();
  CHECK(p.at("mode") == "udp");
  CHECK(p.at("to") == "127.0.0.1:3478");
  CHECK(p.at("command").as_array().at(4) == "\"quoted\"");
  const json::object& up = j.at("result").at("up").as_object();
  CHECK(up.at("lost") == 10);
  CHECK(up.at("loss").to_number<double>() == doctest::Approx(0.01));
  CHECK(up.at("latency").at("p50_ms").to_number<double>() == doctest::Approx(0.5).epsilon(0.05));
  CHECK(up.at("latency").at("p99.9_ms").to_number<double>() > 0.9);
  CHECK(j.at("setup").at("failures").at("no answer") == 2);
  CHECK(j.at("series").as_array().size() == 3);
  CHECK(j.at("series").as_array().at(1).at("sent") == 500);
  CHECK_FALSE(j.contains("search"));
}

TEST_CASE("The JSON holds no secret of the command line") {
  struct Case {
    std::vector<std::string> typed, reported;
  };
  const Case cases[] = {
      {{"--user", "alice:hunter2"}, {"--user", "alice:***"}},
      {{"--user=alice:hunter2:x"}, {"--user=alice:***"}},
      {{"--user", "hunter2"}, {"--user", "***"}},
      {{"--user", "@user.txt"}, {"--user", "@user.txt"}},
      {{"--user=@user.txt"}, {"--user=@user.txt"}},
      {{"--secret", "hunter2"}, {"--secret", "***"}},
      {{"--secret", "@s.txt", "--rate=5"}, {"--secret", "@s.txt", "--rate=5"}},
      {{"--token=hunter2"}, {"--token=***"}},
      {{"--trunk-key", "@trunk.txt", "--to", "127.0.0.1:1"},
       {"--trunk-key", "@trunk.txt", "--to", "127.0.0.1:1"}},
  };
  for (const Case& c : cases) {
    Options o = options();
    o.command = c.typed;
    const std::string text = to_json(o, result());
    CHECK(text.find("hunter2") == std::string::npos);
    CHECK(json::parse(text).at("parameters").at("command") == json::value_from(c.reported));
  }
}

TEST_CASE("Why nothing came up is asked about what the mode has") {
  const auto asks = [](Mode mode, const char* flag) {
    Options o = options();
    o.mode = mode;
    return explain_silence(o).find(flag) != std::string::npos;
  };
  for (const Mode mode : {Mode::udp, Mode::relay, Mode::turn}) CHECK(asks(mode, "--serve"));
  for (const Mode mode : {Mode::whip, Mode::flood}) CHECK_FALSE(asks(mode, "--serve"));
  CHECK(asks(Mode::whip, "--url"));
  CHECK_FALSE(asks(Mode::whip, "--to"));
}

TEST_CASE("A result that the generator limited is invalid in text and JSON") {
  Result r = result();
  r.trials[0].limits = {"its cores were 100 % busy"};
  CHECK(summary(options(), r).find("INVALID: the generator was the limit: its cores") != std::string::npos);
  const json::value j = json::parse(to_json(options(), r));
  CHECK(j.at("valid") == false);
  CHECK(j.at("result").at("generator_limits").as_array().size() == 1);
}

TEST_CASE("A run without sessions or that was interrupted is not valid") {
  Result r = result();
  r.interrupted = true;
  CHECK_FALSE(r.valid());
  r = result();
  r.setup.ready = 0;
  CHECK_FALSE(r.valid());
  CHECK_FALSE(Result().valid());
  CHECK(json::parse(to_json(options(), Result())).at("result").is_null());
}

TEST_CASE("A search reports its best trial") {
  Result r = result();
  TrialRecord worse = r.trials[0];
  worse.sessions = 200;
  r.trials.push_back(worse);
  r.best = 100;
  CHECK(r.main()->sessions == 100);
  const json::value j = json::parse(to_json(options(), r));
  CHECK(j.at("search").at("sessions") == 100);
  CHECK(j.at("search").at("trials").as_array().size() == 2);
  CHECK(summary(options(), r).find("found 100 sessions") != std::string::npos);
  r.lower_bound = true;
  CHECK(summary(options(), r).find("found at least 100 sessions") != std::string::npos);
}
