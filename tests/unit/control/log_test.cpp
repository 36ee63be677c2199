#include "engine/control/log.h"

#include <sstream>

#include <doctest/doctest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

using namespace sluice;
using namespace sluice::control;

namespace {

/// What a function logs.
template <class F>
std::string logged(F f) {
  std::ostringstream out;
  auto before = spdlog::default_logger();
  auto logger =
      std::make_shared<spdlog::logger>("test", std::make_shared<spdlog::sinks::ostream_sink_st>(out));
  logger->set_pattern("%l %v");
  spdlog::set_default_logger(logger);
  f();
  spdlog::set_default_logger(before);
  return out.str();
}

}  // namespace

TEST_CASE("an event is one line of keys and values") {
  CHECK(logged([] { LogLine(Level::warning, "drain").with("session", 7).with("room", "a"); }) ==
        "warning event=drain session=7 room=a\n");
}

TEST_CASE("values from outside cannot break out of their line or their quotes") {
  CHECK(logged([] { LogLine(Level::info, "x").with("room", "a b\"\nevent=fake\\"); }) ==
        "info event=x room=\"a b\\\"?event=fake\\\\\"\n");
  CHECK(logged([] { LogLine(Level::info, "x").with("room", "").with("{}", "{0}"); }) ==
        "info event=x room=\"\" {}={0}\n");
}

TEST_CASE("client addresses are cut unless whole ones are asked for") {
  const Endpoint client = *parse_endpoint("203.0.113.77:5000");
  CHECK(logged([&] { LogLine(Level::info, "x").with("client", client); }).find("203.0.113.77") ==
        std::string::npos);
  CHECK(log_address("203.0.113.77:5000").find(".77") == std::string::npos);
  CHECK(log_address("").empty());
  set_log_addresses(true);
  CHECK(logged([&] { LogLine(Level::info, "x").with("client", client); }) ==
        "info event=x client=203.0.113.77:5000\n");
  CHECK(log_address("203.0.113.77:5000") == "203.0.113.77:5000");
  set_log_addresses(false);
}
