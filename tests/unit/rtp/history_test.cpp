#include "net/rtp/history.h"

#include <array>
#include <map>
#include <random>
#include <vector>

#include <doctest/doctest.h>

using namespace sluice;
using rtp::History;

namespace {
template <size_t N>
struct Owned {
  std::array<History::Entry, N> memory;
  History history{memory};
  SlotIndex put(int seq, SlotIndex slot) { return history.put(static_cast<uint64_t>(seq), slot, 128, 99); }
  const History::Entry* find(int seq) { return history.find(static_cast<uint64_t>(seq)); }
};
}  // namespace

TEST_CASE("the last packets are found, the one that falls out comes back") {
  Owned<4> o;
  for (int n = 0; n < 4; ++n) CHECK(o.put(65'534 + n, static_cast<SlotIndex>(n)) == kNoSlot);
  CHECK(o.history.size() == 4);
  CHECK(o.find(65'534)->slot == 0);
  CHECK(o.find(65'537)->offset == 128);
  CHECK(o.find(65'537)->len == 99);
  CHECK(o.put(65'538, 4) == 0);
  CHECK(o.find(65'534) == nullptr);
  CHECK(o.find(65'539) == nullptr);
  CHECK(o.history.size() == 4);
}

TEST_CASE("a late packet takes its place, one too late or there already comes straight back") {
  Owned<4> o;
  o.put(10, 1);
  o.put(13, 2);
  CHECK(o.find(12) == nullptr);
  CHECK(o.put(12, 3) == kNoSlot);
  CHECK(o.find(12)->slot == 3);
  CHECK(o.put(12, 4) == 4);
  CHECK(o.put(9, 5) == 5);
  CHECK(o.find(9) == nullptr);
}

TEST_CASE("after a gap what the ring no longer covers is not found, though its slot still comes back") {
  Owned<4> o;
  o.put(8, 1);
  o.put(15, 2);
  CHECK(o.find(8) == nullptr);
  CHECK(o.put(12, 3) == 1);
}

TEST_CASE("a packet from one cycle of sequence numbers ago is not found under the new one's index") {
  Owned<4> o;
  o.put(10, 1);
  o.put(65'536 + 11, 2);
  CHECK(o.find(65'536 + 10) == nullptr);
  CHECK(o.put(65'536 + 10, 3) == 1);
  CHECK(o.find(65'536 + 10)->slot == 3);
}

TEST_CASE("draining gives every slot back and starts anew") {
  Owned<8> o;
  o.put(1, 11);
  o.put(2, 12);
  std::vector<SlotIndex> slots;
  o.history.drain([&](SlotIndex s) { slots.push_back(s); });
  CHECK(slots == std::vector<SlotIndex>{11, 12});
  CHECK(o.history.size() == 0);
  CHECK(o.find(1) == nullptr);
  CHECK(o.put(60'000, 13) == kNoSlot);
}

TEST_CASE("a history without memory gives back what it is given") {
  History none;
  CHECK(none.put(1, 5, 0, 0) == 5);
  CHECK(none.find(1) == nullptr);
}

TEST_CASE("every slot that goes in comes out exactly once") {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    std::mt19937 random(seed);
    Owned<64> o;
    std::map<SlotIndex, int> held;
    int seq = 100 + static_cast<int>(random() % 65'536);
    for (SlotIndex slot = 0; slot < 20'000; ++slot) {
      seq += static_cast<int>(random() % (random() % 50 == 0 ? 200 : 3));
      const int at = seq - static_cast<int>(random() % 10 == 0 ? random() % 100 : 0);
      ++held[slot];
      if (const SlotIndex out = o.put(at, slot); out != kNoSlot) REQUIRE(held.erase(out) == 1);
      REQUIRE(held.size() == o.history.size());
      if (const auto* e = o.find(at)) REQUIRE(e->index == static_cast<uint64_t>(at));
    }
    o.history.drain([&](SlotIndex s) { held.erase(s); });
    CHECK(held.empty());
  }
}
