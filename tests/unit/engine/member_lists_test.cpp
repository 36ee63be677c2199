#include "engine/shard/member_lists.h"

#include <algorithm>
#include <random>
#include <set>
#include <vector>

#include <doctest/doctest.h>

using sluice::engine::MemberLists;

namespace {
std::set<uint32_t> members_of(const MemberLists& lists, const MemberLists::List& list) {
  std::set<uint32_t> out;
  lists.for_each(list, [&](uint32_t m) { CHECK(out.insert(m).second); });
  return out;
}
}  // namespace

TEST_CASE("lists hold what was added, in any order of adding and removing") {
  std::mt19937 rng(7);
  std::vector<MemberLists::Chunk> memory(MemberLists::chunks_for(200, 4));
  MemberLists lists(memory);
  std::array<MemberLists::List, 4> list{};
  std::array<std::set<uint32_t>, 4> model;
  std::vector<uint32_t> unplaced(200);
  for (uint32_t i = 0; i < 200; ++i) unplaced[i] = i;
  for (int step = 0; step < 5000; ++step) {
    const size_t l = rng() % 4;
    if (!unplaced.empty() && rng() % 2 == 0) {
      std::swap(unplaced.back(), unplaced[rng() % unplaced.size()]);
      REQUIRE(lists.add(list[l], unplaced.back()));
      model[l].insert(unplaced.back());
      unplaced.pop_back();
    } else if (!model[l].empty()) {
      const uint32_t m = *std::next(model[l].begin(), static_cast<long>(rng() % model[l].size()));
      REQUIRE(lists.remove(list[l], m));
      model[l].erase(m);
      unplaced.push_back(m);
    }
    CHECK(list[l].size == model[l].size());
  }
  for (size_t l = 0; l < 4; ++l) CHECK(members_of(lists, list[l]) == model[l]);
  for (auto& l : list) lists.clear(l);
  CHECK(lists.chunks_in_use() == 0);
}

TEST_CASE("an absent member cannot be removed, and a used-up supply refuses") {
  std::vector<MemberLists::Chunk> memory(1);
  MemberLists lists(memory);
  MemberLists::List list;
  CHECK(!lists.remove(list, 3));
  for (uint32_t i = 0; i < MemberLists::Chunk::kMembers; ++i) CHECK(lists.add(list, i));
  CHECK(!lists.add(list, 99));
  CHECK(list.size == MemberLists::Chunk::kMembers);
}
