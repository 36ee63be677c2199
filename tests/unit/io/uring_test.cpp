// What only io_uring can run into: an empty buffer ring and a full completion queue.
#include "net/io/uring/uring.h"

#include <cerrno>
#include <thread>

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "tests/unit/io/rig.h"

namespace sluice::io::test {
namespace {

/// Sends `count` numbered datagrams before the first receive, then expects all of them in order.
void flood_and_check(Rig& rig, int count) {
  rig.backend->receive(rig.rx, kPoll, rig.drops);  // armed before the flood
  Peer peer("127.0.0.1:0");
  for (int i = 0; i < count; ++i) peer.send(rig.at(), fmt::format("{}", i));
  for (int next = 0; next < count; rig.clear()) {
    rig.receive(1);
    for (const Packet& p : rig.rx) CHECK(rig.text(p) == fmt::format("{}", next++));
  }
  for (const uint64_t n : rig.drops.n) CHECK(n == 0);
}

TEST_CASE_TEMPLATE(
    "an empty buffer ring ends the receive, which is counted, requested again and loses nothing", B, Uring,
    UringDefer) {
  Rig rig(B::with({.uring_buffers = 32}));
  flood_and_check(rig, 300);
  if (rig.backend->name() == std::string_view("uring")) {
    CHECK(rig.backend->counters().rx_no_buffers > 0);
    CHECK(rig.backend->counters().rx_rearmed == 0);
  } else {
    CHECK(rig.backend->counters().rx_no_buffers == 0);
  }
}

TEST_CASE("a full completion queue ends the receive, which is counted, requested again and loses nothing") {
  Rig rig(Uring::with({.uring_buffers = 2048, .uring_cq_entries = 256}), {"127.0.0.1:0"}, 4096);
  flood_and_check(rig, 500);
  if (rig.backend->name() == std::string_view("uring")) {
    CHECK(rig.backend->counters().rx_rearmed > 0);
    CHECK(rig.backend->counters().rx_no_buffers == 0);
  } else {
    CHECK(rig.backend->counters().rx_rearmed == 0);
  }
}

TEST_CASE("the buffers that are armed never exceed half the pool") {
  const Setup setup = Uring::with();
  const Rig small(setup, {"127.0.0.1:0"}, 300);
  const Rig large(setup, {"127.0.0.1:0"}, 20'000);
  CHECK(small.backend->slots_held() == (setup.kind == Kind::uring ? 128 : kRxBurst));
  CHECK(large.backend->slots_held() == (setup.kind == Kind::uring ? 256 : kRxBurst));
}

TEST_CASE("auto takes io_uring exactly where it can be had, and says why not in one line") {
  const auto available = uring_available();
  const Resolved r = resolve(Kind::automatic);
  CHECK(r.kind == (available ? Kind::uring : Kind::mmsg));
  CHECK(r.reason.starts_with(available ? "io: uring" : "io: mmsg, because "));
  CHECK(r.reason.find('\n') == std::string::npos);
  CHECK(resolve(Kind::mmsg).kind == Kind::mmsg);
  CHECK(resolve(Kind::uring).kind == Kind::uring);
  for (const auto name : {"auto", "uring", "mmsg"}) CHECK(name_of(parse_kind(name).value()) == name);
  CHECK(!parse_kind("dpdk"));
}

/// Makes io_uring_setup() fail with `error` on the calling thread, as the seccomp profiles of container
/// runtimes do.
void forbid_io_uring(uint32_t error) {
  sock_filter code[] = {
      {BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, nr)},
      {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, __NR_io_uring_setup},
      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | error},
      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
  };
  const sock_fprog program{.len = 4, .filter = code};
  REQUIRE(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
  REQUIRE(::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

TEST_CASE(
    "where seccomp forbids io_uring, auto falls back with the reason and an explicit wish is an error") {
  for (const auto& [error, words] : {std::pair{EPERM, "not permitted"}, std::pair{ENOSYS, "no io_uring"}}) {
    std::thread([&] {
      forbid_io_uring(static_cast<uint32_t>(error));
      const Resolved r = resolve(Kind::automatic);
      CHECK(r.kind == Kind::mmsg);
      CHECK(r.reason.find(words) != std::string::npos);
      CHECK(r.reason.find('\n') == std::string::npos);

      OwnPool own(kMinPoolSlots);
      const Endpoint any = ep("127.0.0.1:0");
      const auto sockets = ListenSockets::open({&any, 1}, {});
      REQUIRE(sockets);
      const auto wish = make_backend(Kind::uring, sockets->shard(0), own.pool);
      REQUIRE(!wish);
      CHECK(wish.error().message.find(words) != std::string::npos);
      CHECK(wish.error().fix.find("--io mmsg") != std::string::npos);
      const auto made = make_backend(Kind::automatic, sockets->shard(0), own.pool);
      REQUIRE(made);
      CHECK((*made)->name() == std::string_view("mmsg"));
    }).join();
  }
}

}  // namespace
}  // namespace sluice::io::test
