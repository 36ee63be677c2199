#include "net/base/ring.h"

#include <array>
#include <cstdint>
#include <random>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

using namespace sluice;

namespace {
template <class T, uint32_t kCapacity>
struct Owned {
  alignas(64) std::array<std::byte, SpscRing<T>::size_for(kCapacity)> memory;
  SpscRing<T> ring{memory, kCapacity};
};
}  // namespace

TEST_CASE("a ring gives back what went in, in order, and uses all of its capacity") {
  Owned<uint32_t, 4> o;
  for (uint32_t i = 0; i < 4; ++i) CHECK(o.ring.try_push(i));
  CHECK(!o.ring.try_push(99));
  CHECK(o.ring.size_approx() == 4);
  uint32_t v = 7;
  for (uint32_t i = 0; i < 4; ++i) {
    CHECK(o.ring.try_pop(v));
    CHECK(v == i);
  }
  CHECK(!o.ring.try_pop(v));
  CHECK(o.ring.size_approx() == 0);
}

TEST_CASE("a batch that does not fit is pushed as far as there is room") {
  Owned<uint32_t, 8> o;
  const std::array<uint32_t, 6> in{1, 2, 3, 4, 5, 6};
  CHECK(o.ring.push_many(in) == 6);
  CHECK(o.ring.push_many(in) == 2);
  CHECK(o.ring.push_many(in) == 0);
  std::array<uint32_t, 16> out{};
  CHECK(o.ring.pop_many(std::span(out).first(3)) == 3);
  CHECK(o.ring.push_many(in) == 3);
  CHECK(o.ring.pop_many(out) == 8);
  CHECK(std::vector(out.begin(), out.begin() + 8) == std::vector<uint32_t>{4, 5, 6, 1, 2, 1, 2, 3});
}

TEST_CASE("elements visited in place are gone after the visit, the others stay") {
  Owned<uint64_t, 4> o;
  for (uint64_t i = 10; i < 14; ++i) o.ring.try_push(i);
  uint64_t sum = 0;
  CHECK(o.ring.for_each(2, [&](uint64_t& v) { sum += v; }) == 2);
  CHECK(sum == 21);
  CHECK(o.ring.for_each(9, [&](uint64_t& v) { sum += v; }) == 2);
  CHECK(sum == 46);
  CHECK(o.ring.for_each(9, [&](uint64_t&) { sum = 0; }) == 0);
  CHECK(sum == 46);
}

TEST_CASE("the two sides of a ring share no cache line") {
  CHECK(sizeof(SpscRing<uint32_t>) == 128);
  CHECK(alignof(SpscRing<uint32_t>) == 64);
}

TEST_CASE("random batches in and out of a ring keep order over many laps") {
  Owned<uint32_t, 16> o;
  std::minstd_rand random(1);
  uint32_t next_in = 0, next_out = 0;
  for (int step = 0; step < 20'000; ++step) {
    std::array<uint32_t, 20> buffer;
    const size_t n = random() % buffer.size();
    if (random() % 2 == 0) {
      for (size_t i = 0; i < n; ++i) buffer[i] = next_in + static_cast<uint32_t>(i);
      next_in += static_cast<uint32_t>(o.ring.push_many(std::span(buffer).first(n)));
    } else {
      const size_t got = o.ring.pop_many(std::span(buffer).first(n));
      for (size_t i = 0; i < got; ++i) REQUIRE(buffer[i] == next_out++);
    }
    REQUIRE(o.ring.size_approx() == next_in - next_out);
  }
  CHECK(next_out > 16'000);
}

TEST_CASE("between two threads nothing is lost, doubled or out of order") {
  struct Element {
    uint64_t n, copy;
  };
  constexpr uint64_t kCount = 300'000;
  Owned<Element, 256> o;
  std::thread producer([&] {
    std::array<Element, 37> batch;
    for (uint64_t sent = 0; sent < kCount;) {
      const uint64_t want = std::min<uint64_t>(1 + sent % batch.size(), kCount - sent);
      for (uint64_t i = 0; i < want; ++i) batch[i] = {sent + i, ~(sent + i)};
      const size_t n = o.ring.push_many(std::span(batch).first(want));
      if (n == 0) std::this_thread::yield();
      sent += n;
    }
  });
  uint64_t expected = 0, wrong = 0;
  while (expected < kCount) {
    const size_t n = o.ring.for_each(1 + expected % 61, [&](const Element& e) {
      if (e.n != expected || e.copy != ~expected) ++wrong;
      ++expected;
    });
    if (n == 0) std::this_thread::yield();
  }
  producer.join();
  CHECK(wrong == 0);
  CHECK(expected == kCount);
  CHECK(o.ring.size_approx() == 0);
}
