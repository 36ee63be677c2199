#include "net/base/slab.h"

#include <array>
#include <map>
#include <random>
#include <set>

#include <doctest/doctest.h>

using namespace sluice;

namespace {
struct Counted {
  explicit Counted(int v = 0) : value(v) { ++alive; }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;
  ~Counted() { --alive; }
  static inline int alive = 0;
  int value;
};

template <class T, uint32_t kCapacity>
struct Owned {
  alignas(64) std::array<std::byte, Slab<T>::bytes_for(kCapacity)> memory;
  Slab<T> slab{memory, kCapacity};
};
}  // namespace

TEST_CASE("a slab constructs, finds and destroys elements and says when it is full") {
  Owned<Counted, 2> o;
  const Handle a = o.slab.take(1), b = o.slab.take(2);
  CHECK(o.slab.full());
  CHECK(!o.slab.take(3));
  CHECK(Counted::alive == 2);
  CHECK(o.slab.find(a)->value == 1);
  CHECK(o.slab.find(b)->value == 2);
  CHECK(o.slab.drop(a));
  CHECK(Counted::alive == 1);
  CHECK(o.slab.drop(b));
  CHECK(Counted::alive == 0);
}

TEST_CASE("a handle outlived by its slot finds nothing and drops nothing") {
  Owned<Counted, 1> o;
  const Handle old = o.slab.take(1);
  o.slab.drop(old);
  CHECK(o.slab.find(old) == nullptr);
  const Handle young = o.slab.take(2);
  CHECK(young.index == old.index);
  CHECK(young.gen != old.gen);
  CHECK(!o.slab.drop(old));
  CHECK(o.slab.find(young)->value == 2);
  CHECK(o.slab.at(0) == young);
  o.slab.drop(young);
  CHECK(!o.slab.at(0));
}

TEST_CASE("handles that nobody was given are stale, not a crash") {
  Owned<Counted, 4> o;
  CHECK(o.slab.find({}) == nullptr);
  CHECK(o.slab.find({4, 1}) == nullptr);
  CHECK(o.slab.find({UINT32_MAX, UINT32_MAX}) == nullptr);
  CHECK(o.slab.find({0, 1}) == nullptr);
}

TEST_CASE("the index freed last is reused first") {
  Owned<Counted, 8> o;
  std::array<Handle, 8> h;
  for (Handle& x : h) x = o.slab.take();
  o.slab.drop(h[5]);
  o.slab.drop(h[2]);
  const Handle a = o.slab.take(), b = o.slab.take();
  CHECK(a.index == 2);
  CHECK(b.index == 5);
  o.slab.for_each([&](Handle x, Counted&) { o.slab.drop(x); });
  CHECK(o.slab.size() == 0);
  CHECK(Counted::alive == 0);
}

TEST_CASE("generations wrap within their bits and are never 0") {
  alignas(64) std::array<std::byte, HandleTable::bytes_for(1)> memory;
  HandleTable table(memory, 1, 3);
  std::array<uint32_t, 5> seen;
  for (uint32_t& g : seen) {
    const Handle h = table.take();
    g = h.gen;
    table.drop(h);
  }
  CHECK(seen == std::array<uint32_t, 5>{1, 2, 3, 1, 2});
}

TEST_CASE("a slab agrees with a map over random takes and drops") {
  Owned<uint64_t, 32> o;
  std::map<uint32_t, std::pair<Handle, uint64_t>> model;
  std::mt19937 random(7);
  for (uint64_t step = 0; step < 20'000; ++step) {
    if (random() % 2 == 0) {
      const Handle h = o.slab.take(step);
      REQUIRE(static_cast<bool>(h) == (model.size() < 32));
      if (h) REQUIRE(model.emplace(h.index, std::pair{h, step}).second);
    } else if (!model.empty()) {
      auto it = std::next(model.begin(), static_cast<long>(random() % model.size()));
      REQUIRE(*o.slab.find(it->second.first) == it->second.second);
      REQUIRE(o.slab.drop(it->second.first));
      REQUIRE(!o.slab.drop(it->second.first));
      model.erase(it);
    }
    REQUIRE(o.slab.size() == model.size());
  }
}
