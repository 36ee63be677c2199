#include "net/base/flat_table.h"

#include <array>
#include <cstdlib>
#include <map>
#include <memory>
#include <random>
#include <vector>

#include <doctest/doctest.h>

using namespace sluice;

namespace {
struct Owned {
  explicit Owned(uint32_t capacity, HashSeed seed = {0x1234, 0x5678})
      : memory(static_cast<std::byte*>(std::aligned_alloc(64, FlatTable<>::bytes_for(capacity)))),
        table({memory.get(), FlatTable<>::bytes_for(capacity)}, capacity, seed) {}
  struct Free {
    void operator()(std::byte* p) const { std::free(p); }
  };
  std::unique_ptr<std::byte, Free> memory;
  FlatTable<> table;
};

FlowKey key(uint32_t n) {
  return {{Address::v4(0x0a000000 + (n >> 8)), static_cast<uint16_t>(n)}, {Address::v4(192, 0, 2, 1), 3478}};
}
}  // namespace

TEST_CASE("SipHash-2-4 of the paper's test vectors") {
  // Appendix A of the paper and the reference implementation's first vectors: key 00..0f, message 00..(n-1).
  const HashSeed seed{0x0706050403020100, 0x0f0e0d0c0b0a0908};
  std::array<uint8_t, 15> message;
  for (size_t i = 0; i < message.size(); ++i) message[i] = static_cast<uint8_t>(i);
  CHECK(siphash<2, 4>(seed, message) == 0xa129ca6149be45e5);
  CHECK(siphash<2, 4>(seed, {}) == 0x726fdb47dd0e0e31);
  CHECK(siphash<2, 4>(seed, Bytes(message).first(8)) == 0x93f5f5799a932462);
}

TEST_CASE("a flow is found by both of its endpoints, in full") {
  Owned o(16);
  const FlowKey k = key(1);
  CHECK(*o.table.insert(k, 42u) == 42);
  CHECK(*o.table.find(k) == 42);
  for (size_t byte = 0; byte < sizeof k; ++byte)
    for (int bit = 0; bit < 8; ++bit) {
      FlowKey other = k;
      reinterpret_cast<uint8_t*>(&other)[byte] ^= static_cast<uint8_t>(1 << bit);
      CHECK(o.table.find(other) == nullptr);
      CHECK(o.table.find(other, o.table.hash(k)) == nullptr);
    }
}

TEST_CASE("inserting a key again replaces its value") {
  Owned o(16);
  uint32_t* first = o.table.insert(key(1), 1u);
  CHECK(o.table.insert(key(1), 2u) == first);
  CHECK(o.table.size() == 1);
  CHECK(*o.table.find(key(1)) == 2);
  CHECK(o.table.erase(key(1)));
  CHECK(!o.table.erase(key(1)));
  CHECK(o.table.size() == 0);
}

TEST_CASE("a full table refuses new keys, keeps the old and replaces their values") {
  Owned o(100);
  for (uint32_t i = 0; i < 100; ++i) CHECK(o.table.insert(key(i), i) != nullptr);
  CHECK(o.table.insert(key(100), 0u) == nullptr);
  CHECK(o.table.insert(key(5), 500u) != nullptr);
  for (uint32_t i = 0; i < 100; ++i) CHECK(*o.table.find(key(i)) == (i == 5 ? 500 : i));
  CHECK(o.table.erase(key(7)));
  CHECK(o.table.insert(key(100), 100u) != nullptr);
}

TEST_CASE("keys that all have one home bucket are found, and erasing one loses no other") {
  Owned o(200);
  const uint64_t same = 0x4200000000000001;
  for (uint32_t i = 0; i < 200; ++i) CHECK(o.table.insert(key(i), same, i) != nullptr);
  for (uint32_t i = 0; i < 200; i += 3) CHECK(o.table.erase(key(i), same));
  for (uint32_t i = 0; i < 200; ++i) {
    const uint32_t* v = o.table.find(key(i), same);
    CHECK((v != nullptr) == (i % 3 != 0));
    if (v != nullptr) CHECK(*v == i);
  }
  for (uint32_t i = 0; i < 200; ++i) o.table.erase(key(i), same);
  CHECK(o.table.size() == 0);
}

TEST_CASE("more keys of one bucket than its counter can count are still found") {
  Owned o(1'000);
  for (uint32_t i = 0; i < 1'000; ++i) REQUIRE(o.table.insert(key(i), 0, i) != nullptr);
  for (uint32_t i = 0; i < 999; ++i) REQUIRE(o.table.erase(key(i), 0));
  CHECK(*o.table.find(key(999), 0) == 999);
}

TEST_CASE("the table agrees with a map over random inserts and erases at a high load") {
  for (uint32_t seed = 1; seed <= 5; ++seed) {
    CAPTURE(seed);
    Owned o(300, {seed, ~uint64_t{seed}});
    std::map<uint32_t, uint32_t> model;
    std::mt19937 random(seed);
    for (uint32_t step = 0; step < 30'000; ++step) {
      const auto k = static_cast<uint32_t>(random() % 340);
      if (random() % 8 < 5) {
        const bool fits = model.contains(k) || model.size() < 300;
        REQUIRE((o.table.insert(key(k), step) != nullptr) == fits);
        if (fits) model[k] = step;
      } else {
        REQUIRE(o.table.erase(key(k)) == (model.erase(k) == 1));
      }
      const auto probe = static_cast<uint32_t>(random() % 340);
      const uint32_t* v = o.table.find(key(probe));
      REQUIRE((v != nullptr) == model.contains(probe));
      if (v != nullptr) REQUIRE(*v == model[probe]);
      REQUIRE(o.table.size() == model.size());
    }
    size_t visited = 0;
    o.table.for_each([&](const FlowKey& k, uint32_t v) {
      ++visited;
      CHECK(*o.table.find(k) == v);
    });
    CHECK(visited == model.size());
  }
}

TEST_CASE("a search in an empty table and in one of capacity 0 finds nothing") {
  FlatTable<> none;
  CHECK(none.find(key(1)) == nullptr);
  CHECK(none.insert(key(1), 1u) == nullptr);
  Owned o(0);
  CHECK(o.table.insert(key(1), 1u) == nullptr);
  CHECK(!o.table.erase(key(1)));
}
