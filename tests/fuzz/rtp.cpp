// RTP: any bytes as a packet (parse, rewrite, parse again), then as a schedule of packets for all that keeps
// state.
#include <algorithm>
#include <array>
#include <cstdint>
#include <set>

#include "net/rtp/header.h"
#include "net/rtp/history.h"
#include "net/rtp/nack_tracker.h"
#include "net/rtp/receive_stats.h"
#include "net/rtp/splice.h"
#include "tests/support/require.h"

using namespace sluice;
using namespace sluice::rtp;

namespace {

bool inside(Bytes part, Bytes whole) {
  return part.empty() ||
         (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

ExtMap every_kind(uint8_t first_id) {
  ExtMap map;
  for (size_t i = 0; i < kExtKinds; ++i) map.set(static_cast<ExtKind>(i), static_cast<uint8_t>(first_id + i));
  return map;
}

void check_packet(Bytes packet) {
  const auto h = parse_header(packet);
  if (!h) return;
  require(h->header_len >= kFixedHeader && h->header_len <= packet.size());
  require(inside(h->extension, packet.first(h->header_len)));
  for (size_t i = 0; i < h->csrc_count(); ++i) (void)h->csrc_at(i);
  if (const auto p = payload(*h, packet)) require(inside(*p, packet.subspan(h->header_len)));

  ElementList list;
  std::array<Element, ElementList::kMax> kept;
  ElementReader reader = h->elements();
  for (Element e; reader.next(e);) {
    require(e.id != 0 && inside(e.data, h->extension));
    require(h->find(e.id).has_value());
    if (list.add(e.id, e.data)) kept[list.count() - 1] = e;
  }
  (void)read_extensions(*h, every_kind(1));

  std::array<uint8_t, 256> out;
  const size_t n = write_header(out, {h->marker, h->payload_type, h->seq, h->timestamp, h->ssrc}, list);
  require(n == header_size(list) && n % 4 == 0);
  const auto again = parse_header(Bytes(out).first(n));
  require(again && again->header_len == n && again->seq == h->seq && again->timestamp == h->timestamp);
  require(again->ssrc == h->ssrc && again->payload_type == h->payload_type && again->marker == h->marker);
  ElementReader back = again->elements();
  Element e;
  for (size_t i = 0; i < list.count(); ++i)
    require(back.next(e) && e.id == kept[i].id && std::ranges::equal(e.data, kept[i].data));
  require(!back.next(e));
}

void check_copies(Bytes packet) {
  const auto h = parse_header(packet);
  if (!h) return;
  ElementList list;
  for (size_t i = 0; i < kExtKinds; ++i)
    if (!list.copy(static_cast<ExtKind>(i), *h, every_kind(1), every_kind(3)))
      require(i + 3 > 14 || list.count() == ElementList::kMax || !h->find(static_cast<uint8_t>(i + 1)) ||
              h->find(static_cast<uint8_t>(i + 1))->empty() ||
              h->find(static_cast<uint8_t>(i + 1))->size() > 16);
  std::array<uint8_t, 256> out;
  require(write_header(out, {}, list) == header_size(list));
}

/// Three bytes a step: kind and time, sequence number.
void check_state(Bytes steps) {
  std::array<History::Entry, 64> memory;
  History history(memory);
  ReceiveStats stats(Ssrc{1}, 48'000);
  NackTracker<64> nack;
  Splice splice(48'000, 960, SeqNo{65'000}, RtpTime{0xfffff000});
  Source source{1, Ssrc{1}};
  splice.switch_to(source);
  std::set<SlotIndex> held;
  Micros now = seconds(1);
  SlotIndex slot = 0;
  for (Reader r(steps); r.left() >= 3; ++slot) {
    const uint8_t op = r.u8();
    const SeqNo seq{r.u16()};
    now += micros((op & 0x3f) * 700);
    const RtpTime timestamp{seq.v * 960u};
    if ((op & 0xc0) == 0xc0) {
      splice.switch_to(source = {source.publisher + 1, Ssrc{op & 1u}});
      history.drain([&](SlotIndex s) { require(held.erase(s) == 1); });
    }
    stats.on_packet(seq, timestamp, now, 100);
    require(stats.lost() == static_cast<int64_t>(stats.expected()) - static_cast<int64_t>(stats.packets()));
    nack.on_packet(seq, now);
    std::array<SeqNo, 16> due;
    const size_t n = nack.take_due(now, millis(30), due);
    require(n <= due.size() && nack.missing() < 64);
    for (size_t i = 1; i < n; ++i) require(due[i].newer_than(due[i - 1]));
    held.insert(slot);
    // The top bits make the cycles of sequence numbers.
    const uint64_t index = (uint64_t{op} << 16) | seq.v;
    if (const SlotIndex out = history.put(index, slot, 0, 1); out != kNoSlot) require(held.erase(out) == 1);
    require(held.size() == history.size());
    if (const auto out = splice.map(source, index, timestamp, now)) {
      require(splice.source_index(out->seq) == index);
      require(splice.map_again(index, timestamp).seq == out->seq);
      require(!splice.newest().seq.newer_than(out->seq) || splice.newest().seq.minus(out->seq) <= 3000);
    }
    if ((op & 0xc0) == 0x40) {
      const ReportBlock b = stats.report(now);
      require(b.cumulative_lost >= -0x800000 && b.cumulative_lost <= 0x7fffff);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const Bytes input(data, size);
  check_packet(input);
  check_copies(input);
  check_state(input);
  return 0;
}
