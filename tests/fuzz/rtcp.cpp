// RTCP: any bytes as a compound packet; whatever parses is built again and must parse to the same. Then as a
// schedule of arrivals for the transport feedback recorder.
#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "net/rtcp/builder.h"
#include "tests/support/require.h"

using namespace sluice;
using namespace sluice::rtcp;

namespace {

std::array<uint8_t, 70'000> memory;

/// The one packet that a writer wrote.
View rebuilt(size_t n) {
  require(n > 0 && n % 4 == 0);
  CompoundReader reader(Bytes(memory).first(n));
  View v, more;
  require(reader.next(v) && !reader.next(more) && reader.ok());
  return v;
}

std::vector<ReportBlock> list(const ReportBlocks& blocks) {
  std::vector<ReportBlock> out;
  for (size_t i = 0; i < blocks.size(); ++i) out.push_back(blocks[i]);
  return out;
}

void check_reports(const View& v) {
  if (const auto sr = parse_sender_report(v)) {
    const auto blocks = list(sr->blocks);
    const auto again =
        parse_sender_report(rebuilt(write_sender_report(memory, sr->sender, sr->info, blocks)));
    require(again && again->sender == sr->sender && again->info.ntp == sr->info.ntp &&
            list(again->blocks) == blocks);
  }
  if (const auto rr = parse_receiver_report(v)) {
    const auto blocks = list(rr->blocks);
    const auto again = parse_receiver_report(rebuilt(write_receiver_report(memory, rr->sender, blocks)));
    require(again && again->sender == rr->sender && list(again->blocks) == blocks);
  }
}

void check_text(const View& v) {
  SdesReader reader(v);
  for (SdesItem item; reader.next(item);) {
    if (item.type != kSdesCname || item.text.empty()) continue;
    const std::string cname(item.text);
    require(find_cname(rebuilt(write_sdes_cname(memory, item.source, cname)), item.source) == cname);
  }
  if (const auto bye = parse_bye(v); bye && bye->source_count() > 0) {
    std::vector<Ssrc> sources;
    for (size_t i = 0; i < bye->source_count(); ++i) sources.push_back(bye->source(i));
    const auto again = parse_bye(rebuilt(write_bye(memory, sources, bye->reason)));
    require(again && again->source_count() == sources.size() && again->reason == bye->reason);
    require(again->source(sources.size() - 1) == sources.back());
  }
}

void check_nack(const Nack& nack) {
  std::vector<SeqNo> numbers, back;
  nack.for_each([&](SeqNo s) { numbers.push_back(s); });
  require(numbers.size() >= nack.pairs() && numbers.size() <= nack.pairs() * 17);
  // Builders want what NackTracker makes: ascending, each once.
  for (size_t i = 1; i < numbers.size(); ++i)
    if (!numbers[i].newer_than(numbers[i - 1])) return;
  const auto again = parse_nack(rebuilt(write_nack(memory, nack.sender, nack.media, numbers)));
  require(again && again->pairs() <= nack.pairs());
  again->for_each([&](SeqNo s) { back.push_back(s); });
  require(back == numbers);
}

void check_payload_feedback(const View& v) {
  if (const auto pli = parse_pli(v))
    require(parse_pli(rebuilt(write_pli(memory, *pli)))->media == pli->media);
  if (const auto fir = parse_fir(v)) {
    std::vector<FirEntry> entries;
    for (size_t i = 0; i < fir->size(); ++i) entries.push_back((*fir)[i]);
    const auto again = parse_fir(rebuilt(write_fir(memory, fir->sender, entries)));
    require(again && again->size() == entries.size() && (*again)[0].seq == entries[0].seq);
  }
  if (const auto remb = parse_remb(v)) {
    std::vector<Ssrc> sources;
    for (size_t i = 0; i < remb->size(); ++i) sources.push_back((*remb)[i]);
    const auto again = parse_remb(rebuilt(write_remb(memory, remb->sender, remb->bits_per_second, sources)));
    require(again && again->bits_per_second == remb->bits_per_second && again->size() == sources.size());
  }
}

void check_xr(const Xr& xr) {
  if (xr.reference_time)
    require(parse_xr(rebuilt(write_xr_rrtr(memory, xr.sender, *xr.reference_time)))->reference_time ==
            xr.reference_time);
  std::vector<DlrrEntry> entries;
  for (size_t i = 0; i < xr.dlrr_count(); ++i) entries.push_back(xr.dlrr(i));
  if (entries.empty()) return;
  const auto again = parse_xr(rebuilt(write_xr_dlrr(memory, xr.sender, entries)));
  require(again && again->dlrr_count() == entries.size() && again->dlrr(0).lrr == entries[0].lrr);
}

void check_twcc(const Twcc& twcc) {
  std::vector<int64_t> arrivals;
  twcc.for_each([&](const TwccStatus& s) {
    require(s.seq == static_cast<uint16_t>(twcc.base_seq + arrivals.size()));
    arrivals.push_back(s.received ? s.arrival_ticks : kTwccLost);
  });
  require(arrivals.size() == twcc.status_count);
  const TwccWritten w =
      write_twcc(memory, twcc.sender, twcc.media, twcc.base_seq, twcc.feedback_count, arrivals);
  if (w.bytes == 0) return;
  const auto again = parse_twcc(rebuilt(w.bytes));
  require(again && again->status_count == w.packets && again->base_seq == twcc.base_seq);
  // 24 bits of reference time: the absolute time may have wrapped in what was parsed.
  const int64_t wrap = int64_t{1} << 32;
  size_t i = 0;
  again->for_each([&](const TwccStatus& s) {
    require(s.received == (arrivals[i] != kTwccLost));
    if (s.received) require((s.arrival_ticks - arrivals[i]) % wrap == 0);
    ++i;
  });
}

void check_recorder(Bytes steps) {
  TwccRecorder recorder;
  Micros now = seconds(1);
  for (Reader r(steps); r.left() >= 3;) {
    now += micros(r.u8() * 300);
    recorder.on_packet(r.u16(), Ssrc{2}, now);
    if (recorder.next_deadline() > now) continue;
    int messages = 0;
    while (const size_t n = recorder.take_feedback(MutBytes(memory).first(40 + now.us % 200), Ssrc{1}, now)) {
      const auto t = parse_twcc(rebuilt(n));
      require(t.has_value() && ++messages <= 512);
      uint32_t statuses = 0;
      t->for_each([&](const TwccStatus&) { ++statuses; });
      require(statuses == t->status_count && statuses <= TwccRecorder::kWindow);
    }
    require(messages > 0 && recorder.next_deadline() == kNever);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const Bytes input(data, size);
  CompoundReader reader(input);
  for (View v; reader.next(v);) {
    require(v.count <= 31 && v.body.size() <= size);
    check_reports(v);
    check_text(v);
    check_payload_feedback(v);
    if (const auto nack = parse_nack(v)) check_nack(*nack);
    if (const auto xr = parse_xr(v)) check_xr(*xr);
    if (const auto twcc = parse_twcc(v)) check_twcc(*twcc);
  }
  require(reader.ok() == well_formed(input));
  check_recorder(input);
  return 0;
}
