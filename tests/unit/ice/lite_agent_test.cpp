#include "net/ice/lite_agent.h"

#include <doctest/doctest.h>

#include "tests/unit/ice/fixture.h"

using namespace sluice;
using namespace sluice::ice;
using test::path;

namespace {

// One session, its clock, and a client that can be at several addresses.
struct Session {
  LiteAgent agent{0, test::kRemoteUfrag.size()};
  crypto::StreamRandom random{uint64_t{7}};
  Micros now = seconds(1);
  uint8_t next_tid = 1;

  CheckedRequest request(bool use_candidate = false, uint8_t generation = 0) {
    CheckedRequest rq;
    rq.tid[0] = next_tid++;
    rq.ufrag.ice_generation = generation;
    rq.use_candidate = use_candidate;
    rq.bytes = 100;
    return rq;
  }
  Actions check(const PathAddress& from, bool use_candidate = false, uint8_t generation = 0) {
    return agent.check(request(use_candidate, generation), from, random.view(), now);
  }
  Actions check(const CheckedRequest& rq, const PathAddress& from) {
    return agent.check(rq, from, random.view(), now);
  }
  Actions answer(const Challenge& c) { return agent.response(c.tid, c.to, now); }
  void answer_all(const Actions& a) {
    for (uint8_t i = 0; i < a.challenge_count; ++i) answer(a.challenges[i]);
  }
  Actions media(const PathAddress& from, bool newest = true) {
    return agent.proven_by_media(from, newest, now);
  }
  /// A first check, and the answer to its challenge 20 ms later.
  void connect(const PathAddress& at, bool use_candidate = true) {
    const Actions a = check(at, use_candidate);
    REQUIRE(a.challenge_count == 1);
    now += millis(20);
    answer(a.challenges[0]);
    REQUIRE(agent.selected_proven());
  }
  bool at(const PathAddress& p) const {
    return agent.selected() != nullptr && agent.selected()->same_path(p);
  }
  /// Runs the agent's timers up to a point in time and returns the challenges it sends; those to a path in
  /// `answering` are answered at once.
  std::vector<Challenge> run(Micros until, std::vector<PathAddress> answering = {}) {
    std::vector<Challenge> sent;
    for (int steps = 0; agent.deadline() <= until; ++steps) {
      REQUIRE(steps < 1000);
      now = std::max(now, agent.deadline());
      const Actions a = agent.timeout(now);
      for (uint8_t i = 0; i < a.challenge_count; ++i) {
        sent.push_back(a.challenges[i]);
        for (const PathAddress& p : answering)
          if (a.challenges[i].to.same_path(p)) answer(a.challenges[i]);
      }
    }
    now = until;
    return sent;
  }
};

const PathAddress kA = path(1), kB = path(2), kC = path(3);

}  // namespace

TEST_CASE("a session without a check has no path and no deadline") {
  Session s;
  CHECK(s.agent.selected() == nullptr);
  CHECK(s.agent.deadline() == kNever);
  CHECK_FALSE(s.agent.may_send(kA, 1));
  CHECK_FALSE(s.agent.timeout(seconds(100)).consent_lost);
}

TEST_CASE("the first check is answered, challenged and selected at once, within three times its bytes") {
  Session s;
  const Actions a = s.check(kA);
  CHECK(a.drop == Drop::none);
  CHECK(a.respond);
  CHECK(a.first_check);
  CHECK(a.moved);
  REQUIRE(a.challenge_count == 1);
  CHECK(a.challenges[0].to.same_path(kA));
  CHECK(s.at(kA));
  CHECK_FALSE(s.agent.is_proven(kA));
  const size_t spent =
      success_bytes(true, stun::Integrity::sha1) + challenge_bytes(test::kRemoteUfrag.size());
  CHECK(s.agent.may_send(kA, 300 - spent));
  CHECK_FALSE(s.agent.may_send(kA, 300 - spent + 1));
  s.agent.bytes_received(kA, 100);
  CHECK(s.agent.may_send(kA, 600 - spent));
  s.agent.bytes_sent(kA, 600 - spent);
  CHECK_FALSE(s.agent.may_send(kA, 1));
  CHECK_FALSE(s.agent.may_send(kB, 1));
}

TEST_CASE("an answer to the challenge proves the path and measures the round trip") {
  Session s;
  const Actions a = s.check(kA);
  s.now += micros(12'345);
  CHECK(s.agent.awaits(a.challenges[0].tid) == 0);
  const Actions b = s.answer(a.challenges[0]);
  CHECK(b.drop == Drop::none);
  CHECK_FALSE(b.moved);
  CHECK(s.agent.is_proven(kA));
  CHECK(s.agent.may_send(kA, 1'000'000'000));
  CHECK(s.agent.rtt() == micros(12'345));
  CHECK_FALSE(s.agent.awaits(a.challenges[0].tid).has_value());
  CHECK(s.answer(a.challenges[0]).drop == Drop::stun_unexpected_response);
}

TEST_CASE(
    "a round trip longer than the retransmission timer is measured by the transmission that was answered") {
  for (size_t which : {0U, 1U, 2U}) {
    Session s;
    std::vector<Challenge> sent;
    for (const Actions a = s.check(kA); sent.empty();) sent.push_back(a.challenges[0]);
    s.agent.bytes_received(kA, 10'000);
    for (const Challenge& c : s.run(seconds(1) + millis(310))) sent.push_back(c);
    REQUIRE(sent.size() == 3);
    s.answer(sent[which]);
    CHECK(s.agent.rtt() == millis(310) - std::array{millis(0), millis(100), millis(300)}[which]);
  }
}

TEST_CASE("an answer from another address proves nothing") {
  Session s;
  const Actions a = s.check(kA);
  CHECK(s.agent.response(a.challenges[0].tid, kB, s.now).drop == Drop::stun_unexpected_response);
  CHECK(s.agent.response(a.challenges[0].tid, path(1, 2), s.now).drop == Drop::stun_unexpected_response);
  stun::TransactionId other = a.challenges[0].tid;
  other[0] ^= 1;
  CHECK(s.agent.response(other, kA, s.now).drop == Drop::stun_unexpected_response);
  other = a.challenges[0].tid;
  other.back() ^= 2;  // a transmission that was never sent
  CHECK(s.agent.response(other, kA, s.now).drop == Drop::stun_unexpected_response);
  CHECK_FALSE(s.agent.is_proven(kA));
}

TEST_CASE("a challenge is repeated at growing intervals, then the path is forgotten") {
  Session s;
  s.connect(kA);
  const Micros start = s.now;
  REQUIRE(s.check(kB).respond);
  s.agent.bytes_received(kB, 10'000);
  std::vector<int64_t> at;
  for (int steps = 0; steps < 20 && s.agent.is_known(kB); ++steps) {
    s.now = s.agent.deadline();
    const Actions a = s.agent.timeout(s.now);
    for (uint8_t i = 0; i < a.challenge_count; ++i)
      if (a.challenges[i].to.same_path(kB)) at.push_back((s.now - start).millis());
    if (a.forgotten_count > 0) CHECK(a.forgotten[0].same_path(kB));
  }
  CHECK(at == std::vector<int64_t>{100, 300, 700, 1500});
  CHECK((s.now - start).millis() == 3100);
  CHECK(s.at(kA));
}

TEST_CASE("challenges stop at three times what an unproven address sent") {
  Session s;
  s.connect(kA);
  size_t out = success_bytes(true, stun::Integrity::sha1);
  const Actions a = s.check(kB);
  for (uint8_t i = 0; i < a.challenge_count; ++i)
    if (a.challenges[i].to.same_path(kB)) out += challenge_bytes(test::kRemoteUfrag.size());
  for (const Challenge& c : s.run(s.now + seconds(5)))
    if (c.to.same_path(kB)) out += challenge_bytes(test::kRemoteUfrag.size());
  CHECK(out <= 300);
}

TEST_CASE("a transaction id seen from another address is dropped and changes nothing") {
  Session s;
  s.connect(kA);
  const CheckedRequest rq = s.request(true);
  REQUIRE(s.check(rq, kA).respond);
  const Micros deadline = s.agent.deadline();
  s.now += seconds(1);
  for (const PathAddress& other : {kB, path(1, 2)}) {
    const Actions a = s.check(rq, other);
    CHECK(a.drop == Drop::stun_replayed);
    CHECK_FALSE(a.respond);
    CHECK(a.challenge_count == 0);
  }
  CHECK(s.agent.path_count() == 1);
  CHECK(s.at(kA));
  CHECK(s.agent.deadline() == deadline);
}

TEST_CASE("the last 32 transaction ids are remembered, even of a path that is forgotten") {
  Session s;
  s.connect(kA);
  const CheckedRequest first = s.request();
  REQUIRE(s.check(first, kB).respond);
  s.run(s.now + seconds(5));
  REQUIRE_FALSE(s.agent.is_known(kB));
  CHECK(s.check(first, kB).drop == Drop::stun_replayed);
  CHECK(s.check(first, kC).drop == Drop::stun_replayed);
  for (int i = 0; i < 31; ++i) s.check(kA, true);
  CHECK(s.check(first, kC).drop == Drop::stun_replayed);
}

TEST_CASE("a retransmission from the same address is answered again and is evidence of nothing") {
  Session s;
  s.connect(kA);
  const CheckedRequest old_nomination = s.request(true);
  s.check(old_nomination, kA);
  const Actions b = s.check(kB, true);
  s.answer_all(b);
  REQUIRE(s.at(kB));
  const Micros deadline = s.agent.deadline();
  s.now += seconds(1);
  const Actions again = s.check(old_nomination, kA);
  CHECK(again.respond);
  CHECK_FALSE(again.moved);
  CHECK(s.at(kB));
  CHECK(s.agent.deadline() == deadline);
}

TEST_CASE("Chromium: pings on several pairs move nothing, a nomination moves once its path is proven") {
  Session s;
  s.connect(kA);
  s.now += millis(50);
  Actions b = s.check(kB);
  // The selected path is asked whether it still lives, and answers.
  s.answer_all(b);
  REQUIRE(s.agent.is_proven(kB));
  for (int i = 0; i < 20; ++i) {
    s.run(s.now + millis(480), {kA, kB});
    s.check(kA, true);
    s.check(kB, false);
    CHECK(s.at(kA));
  }
  b = s.check(kB, true);
  CHECK(b.moved);
  CHECK(s.at(kB));
  CHECK(s.agent.moves() == 1);

  const Actions c = s.check(kC, true);
  CHECK_FALSE(c.moved);
  CHECK(s.at(kB));
  bool moved = false;
  for (uint8_t i = 0; i < c.challenge_count; ++i)
    if (c.challenges[i].to.same_path(kC)) moved = s.answer(c.challenges[i]).moved;
  CHECK(moved);
  CHECK(s.at(kC));
}

TEST_CASE("Firefox: a listener behind a NAT that forgot it moves when the old path is silent") {
  Session s;
  s.connect(kA);
  s.now += seconds(5);
  const Actions b = s.check(kB, false);  // a consent check, not nominated again
  REQUIRE(b.challenge_count == 2);       // kB is challenged, kA is probed
  const Micros start = s.now;
  s.now += millis(30);
  for (uint8_t i = 0; i < b.challenge_count; ++i)
    if (b.challenges[i].to.same_path(kB)) CHECK_FALSE(s.answer(b.challenges[i]).moved);
  CHECK(s.at(kA));
  s.run(start + millis(300));
  CHECK(s.at(kB));
}

TEST_CASE("Firefox: late checks of another pair do not move a path that lives") {
  Session s;
  s.connect(kA);
  const Actions b = s.check(kB, false);
  s.answer_all(b);
  s.run(s.now + seconds(10), {kA, kB});
  CHECK(s.at(kA));
  CHECK(s.agent.is_proven(kB));
}

TEST_CASE("a path that comes back without a nomination is followed when the other one is silent") {
  Session s;
  s.connect(kA);
  const Actions b = s.check(kB, true);
  s.answer_all(b);
  REQUIRE(s.at(kB));
  s.now += seconds(5);
  const Actions back = s.check(kA, false);
  REQUIRE(back.challenge_count == 1);
  CHECK(back.challenges[0].to.same_path(kB));
  s.run(s.now + millis(300));
  CHECK(s.at(kA));
}

TEST_CASE("newer media proves a path and moves there, overtaken media does not") {
  Session s;
  s.connect(kA);
  s.now += seconds(1);
  s.check(kB);
  CHECK_FALSE(s.media(kB, false).moved);
  CHECK(s.agent.is_proven(kB));
  CHECK(s.media(kB).moved);
  CHECK(s.at(kB));
  CHECK_FALSE(s.media(kA, false).moved);
  CHECK(s.at(kB));
}

TEST_CASE("a path is settled while it is selected, proven and not being asked") {
  Session s;
  CHECK_FALSE(s.agent.settled_on(kA));
  const Actions a = s.check(kA);
  CHECK_FALSE(s.agent.settled_on(kA));
  s.answer(a.challenges[0]);
  CHECK(s.agent.settled_on(kA));
  s.check(kB);
  CHECK_FALSE(s.agent.settled_on(kA));
  CHECK_FALSE(s.agent.settled_on(kB));
  // A client that answers no challenge but sends media is not silent.
  s.media(kA);
  s.run(s.now + seconds(1));
  CHECK(s.agent.settled_on(kA));
}

TEST_CASE("media just after a nomination of the selected path is a straggler") {
  Session s;
  s.connect(kA);
  const Actions b = s.check(kB, true);
  s.answer_all(b);
  REQUIRE(s.at(kB));
  CHECK_FALSE(s.media(kA).moved);
  s.now += millis(200);
  CHECK(s.media(kA).moved);
}

TEST_CASE("media from an address that never passed a check proves nothing") {
  Session s;
  s.connect(kA);
  CHECK_FALSE(s.media(kB).moved);
  CHECK(s.agent.path_count() == 1);
  CHECK_FALSE(s.agent.may_send(kB, 1));
}

TEST_CASE("a proven path takes over from a first path that is not") {
  Session s;
  s.check(kA);
  const Actions b = s.check(kB);
  REQUIRE(b.challenge_count == 1);
  CHECK(s.answer(b.challenges[0]).moved);
  CHECK(s.at(kB));
}

TEST_CASE("consent lasts 30 seconds from the last fresh check on the selected path") {
  Session s;
  s.connect(kA);
  s.now += seconds(20);
  const CheckedRequest rq = s.request();
  s.check(rq, kA);
  const Micros renewed = s.now;
  s.now += seconds(5);
  s.check(rq, kA);  // a retransmission renews nothing
  s.media(kA);      // and neither does media
  CHECK(s.agent.deadline() == renewed + seconds(30));
  CHECK_FALSE(s.agent.timeout(renewed + seconds(30) - micros(1)).consent_lost);
  CHECK(s.agent.may_send(kA, 1));
  s.now = renewed + seconds(30);
  CHECK(s.agent.timeout(s.now).consent_lost);
  CHECK(s.agent.selected() == nullptr);
  CHECK_FALSE(s.agent.may_send(kA, 1));
  CHECK(s.agent.deadline() == kNever);
  CHECK(s.check(kA).drop == Drop::consent_lost);
  CHECK_FALSE(s.agent.timeout(s.now + seconds(1)).consent_lost);
}

TEST_CASE("when consent of the selected path ends, a path that kept it goes on") {
  Session s;
  s.connect(kA);
  const Actions b = s.check(kB);
  s.answer_all(b);
  const Micros last_of_a = s.now;
  // kA answers its probes for 25 s, then dies; no probe catches it, because kB is silent in that time too.
  s.now += seconds(1);
  s.check(kB);
  s.run(last_of_a + seconds(30), {kA, kB});
  CHECK_FALSE(s.agent.consent_lost());
  CHECK(s.at(kB));
}

TEST_CASE("an alert that cannot be read shortens consent of a client that is gone") {
  Session s;
  s.connect(kA);
  const Micros alert = s.now;
  const Actions a = s.agent.shorten_consent(kConsentAfterAlert, s.random.view(), s.now);
  CHECK(a.challenge_count == 1);
  s.run(alert + seconds(6) - micros(1));
  CHECK_FALSE(s.agent.consent_lost());
  s.run(alert + seconds(6));
  CHECK(s.agent.consent_lost());
}

TEST_CASE("a forged alert costs a living client one round trip and nothing else") {
  Session s;
  s.connect(kA);
  for (int i = 0; i < 5; ++i) {
    const Actions a = s.agent.shorten_consent(kConsentAfterAlert, s.random.view(), s.now);
    REQUIRE(a.challenge_count == 1);
    s.now += millis(20);
    s.answer(a.challenges[0]);
    CHECK(s.agent.deadline() == s.now + seconds(30));
  }
}

TEST_CASE("a client that was rebound in the middle of a forged alert keeps its call") {
  Session s;
  s.connect(kA);
  const Micros alert = s.now;
  s.agent.shorten_consent(kConsentAfterAlert, s.random.view(), s.now);
  // kA is heard of no more; three seconds later the client checks from where its NAT has put it.
  s.run(alert + seconds(3));
  const Actions a = s.check(kB, true);
  REQUIRE(a.challenge_count >= 1);
  for (size_t i = 0; i < a.challenge_count; ++i)
    if (a.challenges[i].to.same_path(kB)) s.answer(a.challenges[i]);
  s.run(alert + seconds(20));
  CHECK_FALSE(s.agent.consent_lost());
  REQUIRE(s.agent.selected() != nullptr);
  CHECK(s.agent.selected()->same_path(kB));
}

TEST_CASE("after a restart both generations are taken until the new one's first check") {
  Session s;
  s.connect(kA);
  s.agent.restart(1, 8);
  CHECK(s.check(kA, true, 0).respond);
  const Actions a = s.check(kA, true, 1);
  CHECK(a.respond);
  CHECK(a.restarted);
  CHECK_FALSE(a.moved);
  CHECK(s.agent.is_proven(kA));
  CHECK(s.check(kA, true, 0).drop == Drop::ufrag_gone);
  CHECK(s.check(kA, true, 2).drop == Drop::ufrag_gone);
  CHECK_FALSE(s.check(kA, true, 1).restarted);
}

TEST_CASE("a restart from a new address keeps media on the old path until the new one is proven") {
  Session s;
  s.connect(kA);
  const Actions other = s.check(kC);
  REQUIRE(s.agent.is_known(kC));
  s.answer_all(other);
  s.agent.restart(1, 8);
  const Actions b = s.check(kB, false, 1);
  CHECK(b.restarted);
  CHECK_FALSE(b.moved);
  CHECK(s.at(kA));
  CHECK_FALSE(s.agent.is_known(kC));
  REQUIRE(b.forgotten_count == 1);
  CHECK(b.forgotten[0].same_path(kC));
  bool moved = false;
  for (uint8_t i = 0; i < b.challenge_count; ++i) {
    CHECK(b.challenges[i].generation == 1);
    if (b.challenges[i].to.same_path(kB)) moved = s.answer(b.challenges[i]).moved;
  }
  CHECK(moved);
  CHECK(s.at(kB));
}

TEST_CASE("a fifth path takes the place of the least useful one, never of the selected one") {
  Session s;
  s.connect(kA);
  s.now += seconds(1);
  s.check(kB);
  s.media(kB, false);
  s.now += millis(1);
  s.check(path(4));
  s.now += millis(1);
  s.check(path(5));
  CHECK(s.agent.path_count() == kMaxPaths);
  const Actions a = s.check(path(6));
  REQUIRE(a.forgotten_count == 1);
  CHECK(a.forgotten[0].same_path(path(4)));
  CHECK(s.agent.is_known(kA));
  CHECK(s.agent.is_known(kB));
  CHECK(s.agent.path_count() == kMaxPaths);
}
