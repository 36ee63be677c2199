// Offers damaged at random, from fixed seeds: nothing crashes, and what is answered is answered well.
#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "net/sdp/fragment.h"
#include "tests/unit/sdp/samples.h"

using namespace sluice;
using namespace sluice::sdp;
using namespace sluice::sdp::test;

namespace {

using Random = std::mt19937;

size_t below(Random& random, size_t n) { return n == 0 ? 0 : random() % n; }

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size() - 1);
    out.emplace_back(text.substr(0, end + 1));
    text.remove_prefix(end + 1);
  }
  return out;
}

std::string joined(const std::vector<std::string>& lines) {
  std::string out;
  for (const std::string& l : lines) out += l;
  return out;
}

void damage_bytes(Random& random, std::string& text) {
  constexpr std::string_view kSpice{"\0\r\n:/= 0129AZaz;*-\xff\x80", 21};
  for (size_t n = 1 + below(random, 4); n > 0 && !text.empty(); --n) {
    const size_t at = below(random, text.size());
    switch (below(random, 3)) {
      case 0:
        text[at] = kSpice[below(random, kSpice.size())];
        break;
      case 1:
        text.erase(at, 1 + below(random, 8));
        break;
      default:
        text.insert(at, 1, kSpice[below(random, kSpice.size())]);
    }
  }
}

/// Whole lines removed, doubled, swapped or taken from another offer, so that more of it still parses.
void damage_lines(Random& random, std::string& text) {
  std::vector<std::string> lines = lines_of(text);
  for (size_t n = 1 + below(random, 6); n > 0 && !lines.empty(); --n) {
    const size_t at = below(random, lines.size());
    const std::vector<std::string> other = lines_of(samples()[below(random, samples().size())].text);
    switch (below(random, 4)) {
      case 0:
        lines.erase(lines.begin() + static_cast<std::ptrdiff_t>(at));
        break;
      case 1:
        lines.insert(lines.begin() + static_cast<std::ptrdiff_t>(at), lines[below(random, lines.size())]);
        break;
      case 2:
        std::swap(lines[at], lines[below(random, lines.size())]);
        break;
      default:
        lines[at] = other[below(random, other.size())];
    }
  }
  text = joined(lines);
}

void check_error(const Error& e) {
  if (!e.message.empty() && !e.fix.empty() && e.field.size() < 64 && e.message.size() < 256) return;
  FAIL("poor error for field ", e.field, ": ", e.message);
}

/// Returns how many roles answered.
int exercise(std::string_view text) {
  const auto offer = parse_offer(text);
  if (!offer) {
    check_error(offer.error());
    return 0;
  }
  int answered = 0;
  for (const Role role : {Role::publish, Role::play, Role::agent}) {
    const auto n = negotiate(*offer, {.role = role});
    if (!n) {
      check_error(n.error());
      continue;
    }
    ++answered;
    const std::string answer = write_answer(*offer, *n, local_for(*n));
    const std::string flaw = flaw_of_answer(*offer, *n, answer);
    if (!flaw.empty()) FAIL(flaw, "\noffer:\n", text, "\nanswer:\n", answer);
  }
  return answered;
}

}  // namespace

TEST_CASE("offers with damaged bytes never crash the parser and are answered well or refused") {
  int answered = 0;
  for (uint32_t seed = 1; seed <= 6000; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    std::string text = samples()[below(random, samples().size())].text;
    damage_bytes(random, text);
    answered += exercise(text);
  }
  CHECK(answered > 1000);
}

TEST_CASE("offers with damaged lines never crash the parser and are answered well or refused") {
  int answered = 0;
  for (uint32_t seed = 1; seed <= 6000; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    std::string text = samples()[below(random, samples().size())].text;
    damage_lines(random, text);
    answered += exercise(text);
  }
  CHECK(answered > 1000);
}

TEST_CASE("an offer cut off anywhere never crashes the parser") {
  const std::string& text = sample("offer-firefox153esr-agentVideo.sdp");
  for (size_t n = 0; n <= text.size(); n += 3) exercise(std::string_view(text).substr(0, n));
}

TEST_CASE("damaged fragments never crash the parser") {
  const Negotiation n = negotiated(av_offer(), Role::publish);
  const std::string whole = write_fragment(n, local_for(n));
  int read = 0;
  for (uint32_t seed = 1; seed <= 3000; ++seed) {
    Random random(seed);
    std::string text = whole;
    if (seed % 2 == 0)
      damage_bytes(random, text);
    else
      damage_lines(random, text);
    const auto f = parse_fragment(text);
    if (!f) check_error(f.error());
    read += f.has_value();
  }
  CHECK(read > 300);
}
