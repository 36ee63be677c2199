#include <set>

#include "tests/unit/srtp/harness.h"

using namespace srtp_test;

namespace {

/// What a window ought to say, from everything that was ever marked.
class Model {
 public:
  explicit Model(uint64_t bits) : bits_(bits) {}
  Freshness check(uint64_t index) const {
    if (seen_.empty()) return Freshness::fresh;
    const uint64_t newest = *seen_.rbegin();
    if (index <= newest && newest - index >= bits_) return Freshness::too_old;
    return seen_.contains(index) ? Freshness::seen : Freshness::fresh;
  }
  void mark(uint64_t index) { seen_.insert(index); }

 private:
  uint64_t bits_;
  std::set<uint64_t> seen_;
};

template <class Window>
void agrees_with_model(Window window, uint64_t start, uint64_t salt) {
  CAPTURE(seed());
  Random random(salt);
  Model model(Window::kBits);
  uint64_t around = start;
  for (int i = 0; i < 20000; ++i) {
    if (random.chance(1)) around += random.below(3 * Window::kBits);
    around += random.below(3);
    const uint64_t index = around - random.below(std::min<uint64_t>(around, Window::kBits + 20) + 1);
    const Freshness expected = model.check(index);
    REQUIRE(window.check(index) == expected);
    if (expected != Freshness::fresh) continue;
    window.mark(index);
    model.mark(index);
  }
}

struct RtpWindow {
  static constexpr uint64_t kBits = ReplayWindow::kBits;
  ReplayWindow window;
  ReplayArchive old{};
  Freshness check(uint64_t index) const { return window.check(index, old); }
  void mark(uint64_t index) { window.mark(index, old); }
};

}  // namespace

TEST_CASE("the RTP window remembers the newest 512 indices and nothing else") {
  agrees_with_model(RtpWindow{}, 0, 1);
  agrees_with_model(RtpWindow{}, (uint64_t{1} << 47) + 12345, 2);
}

TEST_CASE("a window that begins in the middle has seen everything up to there") {
  for (const uint64_t newest : {uint64_t{0}, uint64_t{63}, uint64_t{64}, uint64_t{1000}, kIndexEnd - 1}) {
    RtpWindow w;
    w.window.begin_after(newest, w.old);
    for (uint64_t back = 0; back <= std::min<uint64_t>(newest, RtpWindow::kBits + 100); ++back)
      REQUIRE(w.check(newest - back) == (back < RtpWindow::kBits ? Freshness::seen : Freshness::too_old));
    CHECK(w.check(newest + 1) == Freshness::fresh);
    w.mark(newest + 200);
    CHECK(w.check(newest + 1) == Freshness::fresh);
    CHECK(w.check(newest) == Freshness::seen);
  }
}

TEST_CASE("the SRTCP window remembers the newest 64 indices and nothing else") {
  agrees_with_model(RxControlStream{}, 0, 3);
  agrees_with_model(RxControlStream{}, (uint64_t{1} << 31) - 400000, 4);
}

TEST_CASE("the guessed index is the nearest one with that sequence number") {
  CAPTURE(seed());
  Random random(5);
  for (int i = 0; i < 100000; ++i) {
    const uint64_t newest = random.chance(20) ? random.below(70000) : random.below(kIndexEnd);
    const auto seq = static_cast<uint16_t>(random.below(65536));
    const int64_t guess = nearest_index(newest, seq);
    REQUIRE(static_cast<uint16_t>(guess) == seq);
    const int64_t distance = guess - static_cast<int64_t>(newest);
    REQUIRE(distance >= -32768);
    REQUIRE(distance <= 32768);
  }
}

TEST_CASE("the rollover counter moves as RFC 3711 appendix A says") {
  constexpr uint64_t roc = 7;
  const auto at = [](uint64_t r, uint16_t seq) { return static_cast<int64_t>(r << 16 | seq); };
  CHECK(nearest_index(roc << 16 | 65535, 0) == at(roc + 1, 0));
  CHECK(nearest_index(roc << 16 | 0, 65535) == at(roc - 1, 65535));
  CHECK(nearest_index(roc << 16 | 100, 32868) == at(roc, 32868));
  CHECK(nearest_index(roc << 16 | 100, 32869) == at(roc - 1, 32869));
  CHECK(nearest_index(roc << 16 | 40000, 7232) == at(roc, 7232));
  CHECK(nearest_index(roc << 16 | 40000, 7231) == at(roc + 1, 7231));
  CHECK(nearest_index(5, 65535) < 0);
  CHECK(nearest_index(kIndexEnd - 1, 0) == static_cast<int64_t>(kIndexEnd));
}
