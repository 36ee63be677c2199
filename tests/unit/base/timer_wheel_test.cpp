#include "net/base/timer_wheel.h"

#include <algorithm>
#include <array>
#include <random>
#include <vector>

#include <doctest/doctest.h>

using namespace sluice;

namespace {
constexpr Micros kStart = seconds(1);

template <size_t N>
struct Owned {
  std::array<TimerWheel::Node, N> nodes;
  TimerWheel wheel{nodes, kStart};

  std::vector<uint32_t> due(Micros now, size_t bound = N) {
    std::vector<uint32_t> out(bound);
    out.resize(wheel.advance(now, out));
    return out;
  }
};
using List = std::vector<uint32_t>;
}  // namespace

TEST_CASE("a timer is due at its tick and not before") {
  Owned<4> o;
  o.wheel.schedule(2, kStart + millis(10));
  CHECK(o.wheel.next_deadline() == kStart + millis(10));
  CHECK(o.due(kStart + micros(9'999)).empty());
  CHECK(o.due(kStart + millis(10)) == List{2});
  CHECK(!o.wheel.scheduled(2));
  CHECK(o.wheel.next_deadline() == kNever);
}

TEST_CASE("a deadline between two ticks is rounded up") {
  Owned<4> o;
  o.wheel.schedule(0, kStart + micros(10'001));
  CHECK(o.wheel.deadline(0) == kStart + millis(11));
  CHECK(o.due(kStart + micros(10'999)).empty());
  CHECK(o.due(kStart + micros(11'000)) == List{0});
}

TEST_CASE("a deadline that has passed is due at once") {
  Owned<4> o;
  CHECK(o.due(kStart + seconds(70)).empty());
  o.wheel.schedule(1, kStart);
  CHECK(o.wheel.next_deadline() <= kStart + seconds(70));
  CHECK(o.due(kStart + seconds(70)) == List{1});
}

TEST_CASE("scheduling again replaces the deadline, kNever cancels it") {
  Owned<4> o;
  o.wheel.schedule(3, kStart + millis(5));
  o.wheel.schedule(3, kStart + seconds(5));
  CHECK(o.wheel.scheduled() == 1);
  CHECK(o.due(kStart + seconds(4)).empty());
  o.wheel.schedule_no_later(3, kStart + seconds(9));
  CHECK(o.due(kStart + seconds(5)) == List{3});
  o.wheel.schedule(3, kStart + seconds(6));
  o.wheel.schedule(3, kNever);
  o.wheel.cancel(3);
  CHECK(o.wheel.scheduled() == 0);
  CHECK(o.due(kStart + seconds(100)).empty());
}

TEST_CASE("what does not fit into the caller's list stays due") {
  Owned<10> o;
  for (uint32_t i = 0; i < 10; ++i) o.wheel.schedule(i, kStart + millis(1 + i / 5));
  List all;
  for (size_t n : {3u, 4u, 3u, 0u}) {
    const List some = o.due(kStart + seconds(1), 4);
    CHECK(some.size() <= 4);
    all.insert(all.end(), some.begin(), some.end());
    (void)n;
  }
  std::sort(all.begin(), all.begin() + 5);
  std::sort(all.begin() + 5, all.end());
  CHECK(all == List{0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
}

TEST_CASE("years lie within the wheel's reach") {
  Owned<2> o;
  const Micros far = kStart + seconds(3600ll * 24 * 365 * 100);
  o.wheel.schedule(0, far);
  o.wheel.schedule(1, {INT64_MAX - 1});
  CHECK(o.due(far - millis(1)).empty());
  CHECK(o.due(far) == List{0});
  CHECK(o.wheel.scheduled(1));
}

TEST_CASE("an idle owner that sleeps until next_deadline is woken few times in vain") {
  Owned<1> o;
  Micros now = kStart + micros(123'456);
  o.due(now);
  o.wheel.schedule(0, now + seconds(30));
  int wakes = 0;
  while (o.wheel.scheduled(0)) {
    now = o.wheel.next_deadline();
    o.due(now);
    ++wakes;
  }
  CHECK(now.us >= kStart.us + 30'123'456);
  CHECK(wakes <= 4);
}

TEST_CASE("the wheel agrees with a sorted list, whatever is scheduled, cancelled and advanced") {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    constexpr uint32_t kNodes = 50;
    Owned<kNodes> o;
    std::array<Micros, kNodes> model;
    model.fill(kNever);
    Micros now = kStart;
    for (int step = 0; step < 3'000; ++step) {
      const auto i = static_cast<uint32_t>(random() % kNodes);
      const auto reach = int64_t{1} << (random() % 36);
      switch (random() % 4) {
        case 0:
        case 1:
          model[i] = now + micros(static_cast<int64_t>(random()) % reach - 500);
          o.wheel.schedule(i, model[i]);
          break;
        case 2:
          model[i] = kNever;
          o.wheel.cancel(i);
          break;
        default:
          now += micros(static_cast<int64_t>(random()) % (int64_t{1} << (random() % 28)));
      }
      const Micros soonest = *std::min_element(model.begin(), model.end());
      if (soonest != kNever) REQUIRE(o.wheel.next_deadline() < std::max(soonest, now) + millis(1));
      for (uint32_t due : o.due(now)) {
        REQUIRE(model[due] <= now);
        model[due] = kNever;
      }
      for (const Micros& deadline : model) REQUIRE((deadline == kNever || deadline > now - millis(1)));
      REQUIRE(o.wheel.scheduled() == kNodes - std::count(model.begin(), model.end(), kNever));
    }
  }
}
