// How a batch's packets are put into datagrams: lengths, equal sizes, padding, and what is too long.
#include <random>

#include <doctest/doctest.h>

#include "tests/support/trunk_node.h"

using namespace sluice;
using namespace sluice::trunk;
using namespace sluice::trunk::test;
using More = trunk::Writer::More;

namespace {

/// Packs packets as an engine does.
class Packer {
 public:
  explicit Packer(trunk::Writer::Limits limits = {})
      : writer_(limits), keys_(std::move(*crypto::GmacKeys::make(crypto::GmacKeys::Kind::automatic, 1))) {
    const std::array<uint8_t, 16> key{1};
    keys_.view().set_key(0, key.data());
    seal_.gmac = keys_.view();
  }

  std::vector<Datagram> pack(const std::vector<size_t>& payloads) {
    done_.clear();
    for (size_t n : payloads) {
      const std::vector<uint8_t> payload(n, 0xaa);
      const Frame f = frame(payload);
      if (!writer_.open()) start();
      if (writer_.add(f)) continue;
      if (!writer_.empty()) {
        seal(More::yes);
        start();
      }
      if (!writer_.add(f)) ++oversize;
    }
    if (!writer_.empty()) seal(More::no);
    writer_.end_batch();
    return done_;
  }

  size_t oversize = 0;

 private:
  void start() { writer_.start(slot_); }
  void seal(More more) {
    const size_t n = writer_.finish(seal_, more);
    ++seal_.header.sequence;
    done_.emplace_back(slot_.begin(), slot_.begin() + static_cast<ptrdiff_t>(n));
  }

  trunk::Writer writer_;
  crypto::GmacKeys keys_;
  Seal seal_;
  Datagram slot_ = Datagram(2048, 0xcc);
  std::vector<Datagram> done_;
};

std::vector<size_t> lengths(const std::vector<Datagram>& all) {
  std::vector<size_t> n;
  for (const auto& d : all) n.push_back(d.size());
  return n;
}

/// Payload lengths in order; a test fails if any datagram holds anything but frames and padding.
std::vector<size_t> payloads(const std::vector<Datagram>& all) {
  std::vector<size_t> n;
  for (const auto& d : all) {
    trunk::Reader r(Bytes(d).subspan(kHeaderBytes, d.size() - kHeaderBytes - kTagBytes));
    for (Frame f; r.next(f);) n.push_back(f.payload.size());
    CHECK(r.ok());
  }
  return n;
}

/// Sends with UDP_SEGMENT: a run of equal lengths, of which the last may be shorter.
size_t sends(const std::vector<size_t>& n) {
  size_t count = 0;
  for (size_t i = 0, first = 0; i < n.size(); ++i) {
    if (i == 0 || n[i] > n[first] || n[i - 1] < n[first]) {
      first = i;
      ++count;
    }
  }
  return count;
}

}  // namespace

TEST_CASE("64 packets of 172 bytes leave in 10 datagrams of 7, the last of 1, without padding, in one send") {
  Packer p;
  const std::vector<size_t> in(64, 172);
  const auto out = p.pack(in);
  const auto n = lengths(out);
  REQUIRE(n.size() == 10);
  for (size_t i = 0; i < 9; ++i) CHECK(n[i] == 40 + 6 + 7 * (10 + 172));
  CHECK(n[9] == 40 + 6 + 10 + 172);
  CHECK(sends(n) == 1);
  CHECK(payloads(out) == in);
}

TEST_CASE("packets of mixed sizes are padded by an eighth of a datagram at most, and stay one run") {
  Packer p;
  std::vector<size_t> in;
  for (int i = 0; i < 64; ++i) in.push_back(i % 3 == 0 ? 150 : 120);
  const auto out = p.pack(in);
  const auto n = lengths(out);
  CHECK(sends(n) == 1);
  CHECK(payloads(out) == in);
}

TEST_CASE("a long datagram is not made of a short one, nor all after it short") {
  Packer p;
  // The first datagram would end at 346 bytes, since the second packet fits nowhere beside it.
  const auto out = p.pack({300, 1300, 100, 100, 100});
  const auto n = lengths(out);
  REQUIRE(n.size() == 3);
  CHECK(n[0] == 356);
  CHECK(n[1] == 1356);
  CHECK(payloads(out) == std::vector<size_t>{300, 1300, 100, 100, 100});
}

TEST_CASE("a packet that fits into no shared datagram goes alone, up to the longest single one") {
  Packer p;
  const size_t longest = kDefaultMaxSingle - 40 - 16;
  const auto out = p.pack({172, longest, 10, 10, longest + 1, 172});
  CHECK(p.oversize == 1);
  const auto n = lengths(out);
  REQUIRE(n.size() == 4);
  CHECK(n[1] == kDefaultMaxSingle);
  CHECK(payloads(out) == std::vector<size_t>{172, longest, 10, 10, 172});
}

TEST_CASE("one that is longer than the run but not than a datagram begins another run") {
  Packer p;
  std::vector<size_t> in(14, 172);  // two datagrams of 1320 bytes
  in.push_back(1340);
  in.insert(in.end(), 14, 172);
  const auto out = p.pack(in);
  CHECK(p.oversize == 0);
  CHECK(payloads(out) == in);
  CHECK(lengths(out) == std::vector<size_t>{1320, 1320, 1396, 1396, 1320});
}

TEST_CASE("the length of a run is forgotten with its batch") {
  Packer p;
  p.pack(std::vector<size_t>(20, 172));
  CHECK(lengths(p.pack({1344}))[0] == 1400);
}

TEST_CASE("whatever the sizes, all packets arrive in order, no datagram is too long and padding is bounded") {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 rng(seed);
    const trunk::Writer::Limits limits{.datagram = static_cast<uint16_t>(1232 + rng() % 400),
                                       .single = static_cast<uint16_t>(1632 + rng() % 300)};
    Packer p(limits);
    std::vector<size_t> in, fitting;
    const size_t most = rng() % 2 == 0 ? 300 : 2000;
    size_t frames = 0;
    for (int i = 0; i < 64; ++i) {
      in.push_back(rng() % most);
      if (in.back() + 16 + 40 > limits.single) continue;
      fitting.push_back(in.back());
      frames += 16 + in.back();
    }
    const auto out = p.pack(in);
    REQUIRE(p.oversize == in.size() - fitting.size());
    REQUIRE(payloads(out) == fitting);
    size_t total = 0;
    for (size_t n : lengths(out)) {
      REQUIRE(n <= limits.single);
      total += n;
    }
    REQUIRE(total <= frames + out.size() * (40 + limits.datagram / 8));
  }
}

TEST_CASE("padding is authenticated and zero, whatever the slot held before") {
  Packer p;
  std::vector<size_t> in(7, 172);
  in.insert(in.end(), {172, 172, 172, 172, 172, 172, 100, 172});
  const auto out = p.pack(in);
  REQUIRE(out.size() == 3);
  REQUIRE(out[1].size() == out[0].size());
  for (size_t i = out[1].size() - kTagBytes - 72; i < out[1].size() - kTagBytes; ++i) CHECK(out[1][i] == 0);
}
