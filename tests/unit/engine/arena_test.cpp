#include "engine/shard/arena.h"

#include <algorithm>
#include <vector>

#include <doctest/doctest.h>

using namespace sluice::engine;

namespace {

constexpr size_t kPage = 4096, kPages = 300;

size_t resident(const std::byte* at) {
  std::vector<unsigned char> there(kPages);
  REQUIRE(mincore(const_cast<std::byte*>(at), kPages * kPage, there.data()) == 0);
  return static_cast<size_t>(std::ranges::count_if(there, [](unsigned char c) { return (c & 1) != 0; }));
}

}  // namespace

TEST_CASE("an arena has no pages until they are touched, or all of them at once; contents stay") {
  Arena arena(kPages * kPage);
  const auto memory = arena.take("all", kPages * kPage);
  CHECK(resident(memory.data()) == 0);
  memory[5 * kPage] = std::byte{42};
  CHECK(resident(memory.data()) == 1);
  REQUIRE(arena.populate());
  CHECK(resident(memory.data()) == kPages);
  CHECK(memory[5 * kPage] == std::byte{42});
  memory[5 * kPage] = std::byte{};
  CHECK(std::ranges::all_of(memory, [](std::byte b) { return b == std::byte{}; }));
}
