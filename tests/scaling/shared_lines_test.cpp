// No cache line has two shards that write it: what one shard costs does not depend on what the others do.
#include <array>
#include <atomic>
#include <memory>
#include <semaphore>
#include <thread>

#include <doctest/doctest.h>

#include "tests/scaling/memory_watch.h"
#include "tests/support/shards.h"

using namespace sluice;
using namespace sluice::test;
using engine::Role;

namespace {

constexpr uint32_t kShards = 2;

/// A shard's thread, which takes a step when it is told to: what is thread-local must be apart, as it is in
/// an engine that runs.
class alignas(64) Stepper {
 public:
  Stepper() : thread_([this] { run(); }) { done_.acquire(); }
  ~Stepper() {
    shard_ = nullptr;
    go_.release();
    thread_.join();
  }
  Stepper(const Stepper&) = delete;
  Stepper& operator=(const Stepper&) = delete;

  void step(engine::Shard& shard) {
    shard_ = &shard;
    go_.release();
    done_.acquire();
  }
  uintptr_t stack() const { return stack_; }

 private:
  void run() {
    stack_ = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
    done_.release();
    for (;;) {
      go_.acquire();
      if (shard_ == nullptr) return;
      shard_->run_once();
      done_.release();
    }
  }

  engine::Shard* shard_ = nullptr;
  uintptr_t stack_ = 0;
  std::binary_semaphore go_{0}, done_{0};
  std::thread thread_;
};

/// Two shards on threads of their own, everything in its place, every kind of traffic between them.
class World {
 public:
  explicit World(srtp::Kind kind) : shards_(kShards, {}, kind) {
    for (auto& s : steppers_) s = std::make_unique<Stepper>();
    shards_.set_run([this](engine::Shard& s) { run(s); });
    for (uint32_t s = 0; s < kShards; ++s) shards_.backend(s).keeps = false;
    for (uint32_t s = 0; s < kShards; ++s) {
      engine::ShardBells bells;
      for (uint32_t other = 0; other < kShards; ++other) {
        bells.peers.push_back(shards_.shard(other).waker());
        bells.lenders.push_back(shards_.shard(other).lender_waker());
      }
      shards_.shard(s).set_bells(std::move(bells));
    }
    for (uint32_t room = 0; room < kShards; ++room) {
      publishers_.push_back(shards_.connect(Role::publish, room, room));
      for (uint32_t s = 0; s < kShards; ++s) players_.push_back(shards_.connect(Role::play, s, room));
      agents_.push_back(shards_.connect(Role::agent, room));
      shards_.tell_room(room, publishers_[room].key(), room, 3);
    }
    for (uint64_t i = 0; i < 4; ++i) talk(i);
  }

  void watch() {
    const std::array<uintptr_t, kShards> stacks{steppers_[0]->stack(), steppers_[1]->stack()};
    watch_ = std::make_unique<MemoryWatch>(stacks);
  }
  const MemoryWatch& watched() const { return *watch_; }

  /// 20 ms of everybody.
  void talk(uint64_t seq) {
    for (uint32_t room = 0; room < kShards; ++room) {
      // Now and then the kernel gives a packet to the shard that does not own its session.
      const uint32_t at = seq % 5 == 4 ? 1 - room : room;
      shards_.say(publishers_[room], at, seq);
      shards_.say(publishers_[room], at, seq, kVp8Pt, "picture");
      shards_.say(agents_[room], at, seq);
      if (seq % 10 == 9) shards_.check(publishers_[room], 1 - room);
      for (uint32_t s = 0; s < kShards; ++s) ask_again(players_[kShards * room + s], s, seq);
    }
    for (int i = 0; i < 3; ++i) shards_.step();
    shards_.advance(millis(20));
    for (uint32_t s = 0; s < kShards; ++s) shards_.discard_handshakes(s), shards_.notices(s);
  }

  /// Sessions come, are taken up by one shard or the other, and go.
  void come_and_go(uint32_t shard) {
    const Client c = shards_.connect(Role::agent, shard);
    engine::Command m;
    m.kind = engine::Command::Kind::close;
    m.reason = engine::CloseReason::hangup;
    m.session = c.key();
    shards_.tell(shard, m);
    shards_.step();
  }

  uint64_t sent() { return shards_.backend(0).sent_count + shards_.backend(1).sent_count; }
  uint64_t handed_over() { return shards_.core(0).handed_over + shards_.core(1).handed_over; }
  std::string name(const void* line);

 private:
  void run(engine::Shard& s) {
    const unsigned id = s.core().id.v;
    if (watch_) watch_->begin();
    steppers_[id]->step(s);
    if (watch_) watch_->end(id);
  }

  void ask_again(Client& c, uint32_t shard, uint64_t seq) {
    std::array<uint8_t, 16> nack{0x81, 205, 0, 3};
    const uint32_t ssrc = c.spec.track[1].tx_ssrc.v;
    for (size_t i = 0; i < 4; ++i) nack[8 + i] = static_cast<uint8_t>(ssrc >> (24 - 8 * i));
    nack[13] = static_cast<uint8_t>(seq);
    nack[14] = nack[15] = 0xff;
    shards_.send_rtcp(c, shard, nack);
    const std::array<uint8_t, 12> pli{0x81, 206, 0, 2, 0, 0, 0, 1, nack[8], nack[9], nack[10], nack[11]};
    shards_.send_rtcp(c, shard, pli);
  }

  Shards shards_;
  std::array<std::unique_ptr<Stepper>, kShards> steppers_;
  std::vector<Client> publishers_, players_, agents_;
  std::unique_ptr<MemoryWatch> watch_;
};

std::string World::name(const void* line) {
  for (uint32_t s = 0; s < kShards; ++s) {
    const auto* shard = reinterpret_cast<const std::byte*>(&shards_.shard(s));
    const auto* at = static_cast<const std::byte*>(line);
    if (at >= shard && at < shard + sizeof(engine::Shard))
      return "Shard " + std::to_string(s) + "+" + std::to_string(at - shard);
    const auto* backend = reinterpret_cast<const std::byte*>(&shards_.backend(s));
    if (at >= backend && at < backend + sizeof(MemoryBackend)) return "backend of " + std::to_string(s);
  }
  return {};
}

void check_no_line_is_shared(srtp::Kind kind) {
  World w(kind);
  w.watch();
  const uint64_t sent = w.sent(), handed_over = w.handed_over();
  for (uint64_t seq = 4; seq < 64; ++seq) {
    w.talk(seq);
    if (seq % 8 == 0) w.come_and_go(seq / 8 % kShards);
  }
  // The test has seen what it is about.
  CHECK(w.sent() > sent + 60 * 10);
  CHECK(w.handed_over() > handed_over + 10);
  CHECK(w.watched().written_by(0) > 1000);
  CHECK(w.watched().written_by(1) > 1000);
  for (const MemoryWatch::Shared& s : w.watched().shared()) {
    std::string bytes;
    for (const size_t b : s.bytes) bytes += " " + std::to_string(b);
    INFO(s.where << " " << w.name(s.line) << ", bytes" << bytes);
    CHECK_MESSAGE(false, "two shards write one cache line");
  }
}

}  // namespace

TEST_CASE("two shards write no cache line in common, with OpenSSL's ciphers") {
  check_no_line_is_shared(srtp::Kind::openssl);
}

TEST_CASE("two shards write no cache line in common, with the ciphers of ipsec-mb") {
  check_no_line_is_shared(srtp::Kind::ipsec_mb);
}

TEST_CASE("a line that two threads write is found") {
  struct alignas(64) Line {
    std::atomic<int> first{0}, second{0};
  };
  const auto line = std::make_unique<Line>();
  MemoryWatch watch;
  watch.begin();
  std::thread([&] { line->first = 1; }).join();
  watch.end(0);
  watch.begin();
  std::thread([&] { line->second = 1; }).join();
  watch.end(1);
  bool found = false;
  for (const MemoryWatch::Shared& s : watch.shared()) found = found || s.line == line.get();
  CHECK(found);
}
