#include <map>
#include <numeric>

#include <doctest/doctest.h>

#include "net/rtcp/builder.h"
#include "net/rtcp/feedback.h"
#include "net/rtp/header.h"
#include "tests/support/shards.h"

using namespace sluice;
using namespace sluice::test;
using engine::Role;

namespace {

/// SRTP packets of the player's, by sequence number: every version of the bytes that ever left.
std::map<uint16_t, std::vector<std::vector<uint8_t>>> sent_to(Shards& s, uint32_t shard, const Client& c) {
  std::map<uint16_t, std::vector<std::vector<uint8_t>>> out;
  for (const Datagram& d : s.backend(shard).sent)
    if (d.remote == c.at && (d.bytes[0] & 0xc0) == 0x80 && (d.bytes[1] & 0x7f) == kOpusPt)
      out[load_be<uint16_t>(&d.bytes[2])].push_back(d.bytes);
  return out;
}

/// Asks for `n` numbers from `first` on, in as many messages as `copies`.
void nack(Shards& s, Client& player, uint32_t shard, uint16_t first, int n, int copies) {
  std::vector<SeqNo> missing;
  for (int i = 0; i < n; ++i) missing.push_back(SeqNo{first} + i);
  std::array<uint8_t, 1500> buffer;
  size_t len = 0;
  for (int i = 0; i < copies; ++i)
    len += rtcp::write_nack(MutBytes(buffer).subspan(len), Ssrc{1}, player.spec.track[0].tx_ssrc, missing);
  s.send_rtcp(player, shard, Bytes(buffer).first(len));
}

}  // namespace

TEST_CASE("what is sent again is what was sent, over cycles of the publisher's sequence numbers") {
  Shards s(1);
  Client publisher = s.connect(Role::publish, 0);
  Client player = s.connect(Role::play, 0);
  s.tell_room(0, publisher.key(), 0, 1);
  s.step();
  for (uint64_t n = 0; n < 40; ++n) s.say(publisher, 0, n, kOpusPt, "first " + std::to_string(n));
  s.step();
  // The rollover counter goes up by steps too large to be forwarded; then the same numbers come again.
  for (const uint64_t n : {30'000, 60'000}) s.say(publisher, 0, n, kOpusPt, "step");
  for (uint64_t n = 65'536; n < 65'536 + 40; ++n) s.say(publisher, 0, n, kOpusPt, "second");
  s.step(2);
  const auto before = sent_to(s, 0, player);
  REQUIRE(before.size() >= 40);
  for (const auto& [seq, copies] : before) CHECK(copies.size() == 1);
  for (uint16_t seq = before.begin()->first; seq < before.begin()->first + 100; seq += 16)
    nack(s, player, 0, seq, 16, 1);
  s.step();
  size_t again = 0;
  for (const auto& [seq, copies] : sent_to(s, 0, player)) {
    REQUIRE(before.contains(seq));
    again += copies.size() - 1;
    for (const auto& copy : copies) CHECK(copy == copies[0]);
  }
  CHECK(again > 0);
}

TEST_CASE("a flood of NACKs draws no more than was sent") {
  Shards s(1);
  Client publisher = s.connect(Role::publish, 0);
  Client player = s.connect(Role::play, 0);
  s.tell_room(0, publisher.key(), 0, 1);
  s.step();
  for (uint64_t n = 0; n < 50; ++n) s.say(publisher, 0, n);
  s.step();
  const auto before = sent_to(s, 0, player);
  REQUIRE(before.size() == 50);
  for (int i = 0; i < 10; ++i) nack(s, player, 0, before.begin()->first, 50, 40);
  s.step();
  size_t all = 0;
  for (const auto& [seq, copies] : sent_to(s, 0, player)) all += copies.size();
  CHECK(all == 100);
  s.say(publisher, 0, 50);
  nack(s, player, 0, before.begin()->first, 50, 40);
  s.step();
  all = 0;
  for (const auto& [seq, copies] : sent_to(s, 0, player)) all += copies.size();
  CHECK(all == 102);
}

TEST_CASE("a packet that two of three players do not get was delivered, and two copies are unsent") {
  Shards s(1);
  Client publisher = s.connect(Role::publish, 0);
  std::vector<Client> players;
  for (int i = 0; i < 3; ++i) players.push_back(s.connect(Role::play, 0));
  s.tell_room(0, publisher.key(), 0, 1);
  s.step();
  const auto sum = [](const DropCounters& c) { return std::accumulate(c.n.begin(), c.n.end(), uint64_t{0}); };
  engine::Core& core = s.core(0);
  REQUIRE(sum(core.drops) + sum(core.unsent) == 0);
  // One slot for the packet and one for a copy.
  std::vector<SlotIndex> held;
  while (core.pool.free() > 2) held.push_back(core.pool.take());
  s.say(publisher, 0, 1);
  s.shard(0).run_once();
  for (const SlotIndex slot : held) core.pool.drop(slot);
  CHECK(sum(core.drops) == 0);
  CHECK(sum(core.unsent) == 2);
  CHECK(core.unsent[Drop::pool_empty] == 2);
  size_t heard = 0;
  for (Client& p : players) heard += s.heard(p).size();
  CHECK(heard == 1);
}

TEST_CASE("a publisher that was replaced is not heard at another shard any more") {
  Shards s(3);
  Client old = s.connect(Role::publish, 0);
  Client next = s.connect(Role::publish, 1);
  Client player = s.connect(Role::play, 2);
  s.tell_room(0, old.key(), 0, 0b100);
  s.step(2);
  s.say(old, 0, 1, kOpusPt, "old");
  s.step(2);
  CHECK(s.heard(player) == std::vector<std::string>{"old"});
  // The player's shard and the new publisher's hear of it before the old publisher's does.
  engine::Command m;
  m.kind = engine::Command::Kind::room;
  m.room_gen = 1;
  m.session = next.key();
  m.publisher_shard = {1};
  m.shards_with_players = 0b100;
  s.tell(1, m);
  s.tell(2, m);
  s.step();
  s.say(next, 1, 1, kOpusPt, "next 1");
  s.step(2);
  s.say(old, 0, 2, kOpusPt, "old");
  s.step(2);
  s.say(next, 1, 2, kOpusPt, "next 2");
  s.step(2);
  CHECK(s.heard(player) == std::vector<std::string>{"next 1", "next 2"});
  CHECK(s.core(2).unsent[Drop::rtp_not_publishing] == 1);
}

TEST_CASE("a flood of sender reports reaches other shards at a bounded rate, per track") {
  Shards s(2);
  Client publisher = s.connect(Role::publish, 0);
  Client player = s.connect(Role::play, 1);
  s.tell_room(0, publisher.key(), 0, 0b10);
  s.step(2);
  s.say(publisher, 0, 1);
  s.say(publisher, 0, 1, kVp8Pt);
  s.step(2);
  const auto reports_after = [&](Micros pause) {
    s.advance(pause);
    std::array<uint8_t, 1400> buffer;
    rtcp::Builder b(buffer);
    rtp::SenderInfo info;
    info.ntp = {uint64_t{1} << 40};
    for (int i = 0; i < 20; ++i)
      for (const uint8_t pt : {kOpusPt, kVp8Pt})
        b.sender_report({1000 + publisher.key().index * 256 + pt}, info, {});
    s.send_rtcp(publisher, 0, b.written());
    s.shard(0).run_once();
    const uint32_t pushed = s.core(0).ports.to_peer[1]->size_approx();
    s.step();
    return pushed;
  };
  CHECK(reports_after(seconds(1)) == 2);
  CHECK(reports_after(millis(199)) == 0);
  CHECK(reports_after(millis(1)) == 2);
}

TEST_CASE("players that ask for key frames without end do not fill the ring to the publisher's shard") {
  Shards s(2);
  Client publisher = s.connect(Role::publish, 0);
  Client player = s.connect(Role::play, 1);
  s.tell_room(0, publisher.key(), 0, 0b10);
  s.step(2);
  std::array<uint8_t, 12> pli;
  rtcp::write_pli(pli, {Ssrc{1}, player.spec.track[1].tx_ssrc});
  std::vector<uint8_t> compound;
  for (int i = 0; i < 100; ++i) compound.insert(compound.end(), pli.begin(), pli.end());
  const auto pushed = [&] { return s.core(1).ports.to_peer[0]->size_approx(); };
  s.advance(seconds(1));
  s.send_rtcp(player, 1, compound);
  s.shard(1).run_once();
  CHECK(pushed() == 1);
}
