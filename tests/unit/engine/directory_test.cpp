#include "engine/shard/directory.h"

#include <atomic>
#include <thread>

#include <doctest/doctest.h>

using namespace sluice;
using namespace sluice::engine;

namespace {
SessionSpec spec_of(uint32_t index, uint32_t gen) {
  SessionSpec s;
  s.key = {index, gen};
  return s;
}
}  // namespace

TEST_CASE("the first shard that claims a session owns it, the others learn who does") {
  Directory d(4);
  d.publish(spec_of(2, 7));
  CHECK(d.claim({2, 7}, ShardId{1}).claim == Directory::Claim::mine);
  CHECK(d.claim({2, 7}, ShardId{1}).claim == Directory::Claim::mine);
  const auto other = d.claim({2, 7}, ShardId{0});
  CHECK(other.claim == Directory::Claim::other);
  CHECK(other.shard == ShardId{1});
}

TEST_CASE("sessions that never were, are over or are out of range cannot be claimed") {
  Directory d(4);
  CHECK(d.claim({0, 1}, ShardId{0}).claim == Directory::Claim::gone);
  CHECK(d.claim({9, 1}, ShardId{0}).claim == Directory::Claim::gone);
  d.publish(spec_of(0, 1));
  CHECK(d.claim({0, 2}, ShardId{0}).claim == Directory::Claim::gone);
  CHECK(!d.retire({0, 1}).has_value());
  CHECK(d.claim({0, 1}, ShardId{0}).claim == Directory::Claim::gone);
}

TEST_CASE("retiring an owned session names its owner, and an ICE restart keeps the owner") {
  Directory d(1);
  d.publish(spec_of(0, 1));
  REQUIRE(d.claim({0, 1}, ShardId{3}).claim == Directory::Claim::mine);
  SessionSpec again = spec_of(0, 1);
  again.ice_generation = 1;
  d.publish(again);
  CHECK(d.claim({0, 1}, ShardId{3}).claim == Directory::Claim::mine);
  SessionSpec read;
  REQUIRE(d.read({0, 1}, read));
  CHECK(read.ice_generation == 1);
  CHECK(d.retire({0, 1}) == ShardId{3});
  d.erase({0, 1});
  CHECK(d.claim({0, 1}, ShardId{3}).claim == Directory::Claim::gone);
  d.publish(spec_of(0, 2));
  CHECK(d.claim({0, 2}, ShardId{0}).claim == Directory::Claim::mine);
  CHECK(!d.read({0, 1}, read));
}

TEST_CASE("two threads that claim at once never both succeed") {
  constexpr uint32_t kSessions = 2000;
  Directory d(kSessions);
  for (uint32_t i = 0; i < kSessions; ++i) d.publish(spec_of(i, 1));
  std::array<std::atomic<uint32_t>, 2> won{};
  const auto take = [&](uint8_t me) {
    for (uint32_t i = 0; i < kSessions; ++i)
      if (d.claim({i, 1}, ShardId{me}).claim == Directory::Claim::mine) ++won[me];
  };
  std::thread other([&] { take(1); });
  take(0);
  other.join();
  CHECK(won[0] + won[1] == kSessions);
}

TEST_CASE("a reader of a value that is being rewritten sees one version whole") {
  struct Wide {
    std::array<uint64_t, 40> v{};
  };
  SeqLocked<Wide> shared;
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    Wide w;
    for (uint64_t n = 1; n <= 20'000; ++n) {
      w.v.fill(n);
      shared.store(w);
    }
    stop = true;
  });
  uint64_t torn = 0;
  while (!stop) {
    Wide r;
    if (!shared.load(r)) continue;
    for (const uint64_t x : r.v) torn += x != r.v[0];
  }
  writer.join();
  CHECK(torn == 0);
}
