// Memory of an established audio session in a shard: what its parts add up to, and what becomes resident when
// sessions are connected and media has flowed. Pages of 4 KiB, since with large ones it is their number that
// would be measured. One JSON object.

#include <cstdio>
#include <cstdlib>
#include <vector>

#include <sys/mman.h>
#include <sys/prctl.h>

#include "bench/shard_rig.h"

namespace {

using namespace sluice;
using namespace sluice::engine;

constexpr uint32_t kRooms = 4'000;  // of one publisher and one player
constexpr size_t kPage = 4096;

struct Term {
  const char* name;
  size_t bytes;
};

/// Of every session, whatever it does.
std::vector<Term> terms(size_t srtp_context) {
  return {
      {"srtp_keys", 2 * srtp_context},
      {"srtp_streams", sizeof(srtp::Inbound) + sizeof(srtp::Outbound)},
      {"received_tracks", kMediaKinds * sizeof(RxTrack)},
      {"sent_tracks", kMediaKinds * sizeof(TxTrack)},
      {"hot", sizeof(SessionHot)},
      {"flow", 2 * (64 + 1)},
      {"ice", sizeof(ice::LiteAgent)},
      {"cold", sizeof(SessionCold)},
      {"report", sizeof(SeqLocked<SessionReport>)},
      {"handed_over", sizeof(HandedOver)},
      {"directory", sizeof(SeqLocked<SessionSpec>) + 8},
      {"timer", sizeof(TimerWheel::Node)},
  };
}

size_t resident(const std::byte* from, size_t bytes) {
  std::vector<unsigned char> pages(bytes / kPage);
  auto* at = const_cast<std::byte*>(from);
  if (::mincore(at, pages.size() * kPage, pages.data()) != 0) std::abort();
  size_t n = 0;
  for (const unsigned char p : pages) n += p & 1;
  return n * kPage;
}

/// All of a shard's memory but its packets.
size_t resident(const Core& c) {
  const auto* base = reinterpret_cast<const std::byte*>(c.pool.slot_bytes(0));
  const size_t packets = (c.arena.terms()[0].bytes + kPage - 1) / kPage * kPage;
  return resident(base + packets, c.arena.size() - packets);
}

}  // namespace

int main() {
  ::prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
  bench::ShardRig rig(2 * kRooms, kRooms, srtp::Kind::automatic);
  const auto add = [&](uint32_t from, uint32_t to) {
    for (uint32_t room = from; room < to; ++room) {
      bench::Client publisher = rig.connect(Role::publish, room);
      rig.connect(Role::play, room);
      rig.publish(room, publisher);
      for (int packet = 0; packet < 3; ++packet) {
        rig.advance(millis(1));
        rig.say(publisher, 80);
        rig.step();
      }
    }
  };
  add(0, kRooms / 4);
  const size_t before = resident(rig.shard().core());
  add(kRooms / 4, kRooms);
  const size_t after = resident(rig.shard().core());
  const double each = static_cast<double>(after - before) / (2.0 * (kRooms - kRooms / 4));
  size_t sum = 0;
  std::printf("{");
  for (const Term& t : terms(rig.cipher().context_bytes(srtp::Profile::aead_aes_128_gcm))) {
    std::printf("\"%s\": %zu, ", t.name, t.bytes);
    sum += t.bytes;
  }
  std::printf("\"sum\": %zu, \"resident\": %.0f, \"agents_echo_line\": %zu, \"video_or_twcc_feedback\": %zu, "
              "\"room_history\": %zu, \"room_history_packets\": %zu}\n",
              sum, each, sizeof(EchoLine), sizeof(Feedback),
              (kAudioHistory + kVideoHistory) * sizeof(rtp::History::Entry), kAudioHistory * size_t{kSlotBytes});
}
