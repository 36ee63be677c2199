#include "net/trunk/window.h"

#include <random>
#include <set>

#include <doctest/doctest.h>

using namespace sluice::trunk;
using Freshness = Window::Freshness;

TEST_CASE("a window is at least 1024 wide") {
  CHECK(Window::kBits >= 1024);
  Window w;
  w.mark(Window::kBits);
  CHECK(w.check(1) == Freshness::fresh);
  CHECK(w.check(0) == Freshness::too_old);
}

TEST_CASE("anything may come first, 0 and the largest sequence too") {
  for (uint64_t s : {uint64_t{0}, uint64_t{1}, uint64_t{1} << 40, UINT64_MAX}) {
    Window w;
    CHECK(w.check(s) == Freshness::fresh);
    w.mark(s);
    CHECK(w.check(s) == Freshness::seen);
    CHECK(w.newest() == s);
    CHECK(w.lost() == 0);
  }
}

TEST_CASE("what comes again is seen, whatever came since") {
  Window w;
  for (uint64_t s = 100; s < 100 + Window::kBits; ++s) {
    w.mark(s);
    REQUIRE(w.check(100) == Freshness::seen);
  }
  w.mark(100 + Window::kBits);
  CHECK(w.check(100) == Freshness::too_old);
}

TEST_CASE("a gap is lost until it is filled, a new beginning is not loss") {
  Window w;
  w.mark(10);
  w.mark(14);
  CHECK(w.lost() == 3);
  w.mark(12);
  CHECK(w.lost() == 2);
  w.mark(8);  // before the first: never counted
  CHECK(w.lost() == 2);
  w.mark(14 + Window::kBits);
  CHECK(w.lost() == 2);
  CHECK(w.received() == 5);
  CHECK(w.check(13) == Freshness::too_old);
}

TEST_CASE(
    "any order, loss, repetition and jump: each sequence is accepted once, as a set of all of them says") {
  for (uint64_t seed = 0; seed < 40; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 rng(seed);
    Window w;
    std::set<uint64_t> accepted;
    uint64_t next = rng() >> (rng() % 64);
    uint64_t newest = 0;
    for (int i = 0; i < 20'000; ++i) {
      const auto dice = rng() % 1000;
      uint64_t s = next;
      if (dice < 700)
        s = next++;
      else if (dice < 998)
        s = next - std::min<uint64_t>(next, rng() % (dice < 950 ? 200 : 2 * Window::kBits));
      else
        s = next += rng() % (4 * Window::kBits);
      const bool old = !accepted.empty() && s <= newest && newest - s >= Window::kBits;
      const auto expected = old                    ? Freshness::too_old
                            : accepted.contains(s) ? Freshness::seen
                                                   : Freshness::fresh;
      REQUIRE(w.check(s) == expected);
      if (expected != Freshness::fresh) continue;
      w.mark(s);
      newest = accepted.empty() ? s : std::max(newest, s);
      accepted.insert(s);
    }
    CHECK(w.received() == accepted.size());
  }
}

TEST_CASE("with gaps smaller than the window the loss is exactly what never arrived") {
  std::mt19937_64 rng(3);
  Window w;
  uint64_t sent = 0, dropped = 0;
  w.mark(sent++);
  for (int i = 0; i < 50'000; ++i) {
    const uint64_t s = sent++;
    if (rng() % 20 == 0 && i < 49'999)
      ++dropped;
    else
      w.mark(s);
  }
  CHECK(w.lost() == dropped);
  CHECK(w.received() + w.lost() == sent);
}
