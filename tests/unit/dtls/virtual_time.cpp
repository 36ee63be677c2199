#include <sys/time.h>

#include "tests/unit/dtls/client.h"

namespace {
sluice::Micros g_now = sluice::seconds(1);
}

// OpenSSL's DTLS timers read this and nothing else.
extern "C" int gettimeofday(timeval* tv, void*) noexcept {
  tv->tv_sec = g_now.us / 1'000'000;
  tv->tv_usec = g_now.us % 1'000'000;
  return 0;
}

void sluice::test::set_virtual_time(Micros now) { g_now = now; }
