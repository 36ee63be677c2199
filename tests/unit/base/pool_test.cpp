#include "net/base/pool.h"

#include <memory>
#include <set>

#include <doctest/doctest.h>

#include "net/base/drop.h"
#include "net/base/units.h"

using namespace sluice;

namespace {
struct Owned {
  explicit Owned(uint32_t n)
      : memory(new(std::align_val_t{64}) std::byte[PacketPool::bytes_for(n)]),
        pool({memory, PacketPool::bytes_for(n)}, n) {}
  ~Owned() { ::operator delete[](memory, std::align_val_t{64}); }
  std::byte* memory;
  PacketPool pool;
};
}  // namespace

TEST_CASE("a pool hands out each slot once, then none, then what came back") {
  Owned o(3);
  std::set<SlotIndex> seen;
  for (int i = 0; i < 3; ++i) seen.insert(o.pool.take());
  CHECK(seen.size() == 3);
  CHECK(o.pool.take() == kNoSlot);
  o.pool.drop(1);
  CHECK(o.pool.take() == 1);
  CHECK(o.pool.in_flight() == 3);
}

TEST_CASE("a shared slot is free only when its last holder drops it") {
  Owned o(1);
  const SlotIndex s = o.pool.take();
  o.pool.share(s);
  o.pool.drop(s);
  CHECK(o.pool.free() == 0);
  o.pool.drop(s);
  CHECK(o.pool.free() == 1);
}

TEST_CASE("sequence numbers compare around the wrap") {
  CHECK(SeqNo{0}.newer_than(SeqNo{65535}));
  CHECK(!SeqNo{65535}.newer_than(SeqNo{0}));
  CHECK((SeqNo{3} - 5).v == 65534);
  CHECK(RtpTime{5}.minus(RtpTime{0xfffffffb}) == 10);
}

TEST_CASE("NTP time of the Unix epoch") {
  CHECK(NtpTime::from_unix_us(0).v == 2'208'988'800ull << 32);
  CHECK(NtpTime::from_unix_us(500'000).compact() == ((2'208'988'800ull & 0xffff) << 16 | 0x8000));
}

TEST_CASE("each drop reason has a name and a sentence") {
  for (size_t i = 0; i < kDropCount; ++i) {
    CHECK(!kDropNames[i].empty());
    CHECK(!kDropTexts[i].empty());
  }
  CHECK(name_of(Drop::srtp_auth) == "srtp_auth");
}
