#include "tools/bench/memory.h"

#include <vector>

#include <doctest/doctest.h>
#include <unistd.h>

using namespace sluice::bench;

TEST_CASE("Anonymous memory is a line of the status file, in units of 1024 bytes") {
  CHECK(parse_anonymous("VmRSS:\t  9000 kB\nRssAnon:\t    1234 kB\nRssFile:\t 12 kB\n") == 1234 * 1024);
  CHECK_FALSE(parse_anonymous("VmRSS:\t  9000 kB\n"));
  CHECK_FALSE(parse_anonymous("RssAnon:\t kB\n"));
  CHECK_FALSE(parse_anonymous(""));
}

TEST_CASE("A process has grown by what it touched") {
  const int64_t before = anonymous_bytes(::getpid());
  CHECK(before > 0);
  const std::vector<uint8_t> touched(32 << 20, 1);
  CHECK(anonymous_bytes(::getpid()) - before >= 31 << 20);
  CHECK(touched.back() == 1);
}

TEST_CASE("A number is found behind the last of the words") {
  constexpr std::string_view kLog =
      "  flow table   1 bytes\"\n\"  flow table                     16583232 bytes\"\nroom for 9 of 437 each";
  CHECK(number_behind(kLog, "flow table") == 16583232);
  CHECK(number_behind(kLog, "9 of") == 437);
  CHECK_FALSE(number_behind(kLog, "each"));
  CHECK_FALSE(number_behind(kLog, "bytes"));
  CHECK_FALSE(number_behind(kLog, "sessions"));
}
