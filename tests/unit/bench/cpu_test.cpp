#include "tools/bench/cpu.h"

#include <doctest/doctest.h>
#include <unistd.h>

using namespace sluice::bench;

TEST_CASE("Busy ticks of a core are all of /proc/stat but idle, iowait and stolen ones") {
  constexpr std::string_view kStat =
      "cpu  100 1 50 1000 20 3 7 9 0 0\n"
      "cpu0 60 1 30 500 10 1 4 5 0 0\n"
      "cpu10 1 1 1 1 1 1 1 1 0 0\n"
      "cpu1 40 0 20 500 10 2 3 4 0 0\n"
      "intr 1 2 3\n";
  CHECK(parse_busy_ticks(kStat, 0) == 60 + 1 + 30 + 1 + 4);
  CHECK(parse_busy_ticks(kStat, 1) == 40 + 20 + 2 + 3);
  CHECK(parse_busy_ticks(kStat, 10) == 5);
  CHECK_FALSE(parse_busy_ticks(kStat, 2));
  CHECK_FALSE(parse_busy_ticks("", 0));
}

TEST_CASE("Run time is the first number of schedstat") {
  CHECK(parse_schedstat("123456789012 5 7\n") == 123456789012);
  CHECK(parse_schedstat("") == 0);
}

TEST_CASE("A process's CPU time grows while it works") {
  const CpuMeter meter({::getpid()}, "no-such-interface", 0);
  CHECK_FALSE(meter.has_receive());
  const CpuTimes before = meter.read();
  volatile uint64_t sink = 0;
  CpuTimes spent;
  while ((spent = meter.read() - before).threads_ns < 20'000'000)
    for (int i = 0; i < 100'000; ++i) sink = sink + 1;
  CHECK(spent.receive_ns == 0);
  CHECK(sink > 0);
}
