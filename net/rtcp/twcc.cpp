#include "net/rtcp/twcc.h"

#include <algorithm>
#include <array>

namespace sluice::rtcp {
namespace {

constexpr size_t kFixed = 16;
constexpr size_t kHead = kHeaderBytes + kFixed;
/// Per message that we write; enough for 100 ms at 10 000 packets/s.
constexpr size_t kMaxStatuses = 1024;
constexpr uint8_t kLost = 0, kSmall = 1, kLarge = 2;

using Symbols = std::array<uint8_t, kMaxStatuses>;

int64_t floor_reference(int64_t ticks) {
  return ticks >= 0 ? ticks / kTwccTicksPerReference
                    : -((kTwccTicksPerReference - 1 - ticks) / kTwccTicksPerReference);
}

/// The symbols of the longest prefix whose deltas fit 16 bits; returns its length, 0 if nothing in it was
/// received.
size_t find_symbols(std::span<const int64_t> arrivals, Symbols& out, int64_t& reference) {
  bool any = false;
  int64_t previous = 0;
  size_t n = 0;
  for (; n < std::min(arrivals.size(), out.size()); ++n) {
    const int64_t at = arrivals[n];
    if (at == kTwccLost) {
      out[n] = kLost;
      continue;
    }
    if (!any) {
      any = true;
      reference = floor_reference(at);
      previous = reference * kTwccTicksPerReference;
    }
    const int64_t delta = at - previous;
    if (delta < INT16_MIN || delta > INT16_MAX) break;
    out[n] = delta >= 0 && delta <= 255 ? kSmall : kLarge;
    previous = at;
  }
  return any ? n : 0;
}

struct Chunk {
  uint16_t bits = 0;
  size_t symbols = 0;
  size_t delta_bytes = 0;
};

/// The chunk that covers most of what comes next. `room`: bytes for its deltas.
Chunk choose_chunk(std::span<const uint8_t> next, size_t room) {
  Chunk c;
  const uint8_t first = next[0];
  size_t run = 1;
  while (run < next.size() && run < 0x1fff && next[run] == first) ++run;
  const size_t n14 = std::min<size_t>(14, next.size()), n7 = std::min<size_t>(7, next.size());
  const bool one_bit = std::find(next.begin(), next.begin() + static_cast<long>(n14), kLarge) ==
                       next.begin() + static_cast<long>(n14);
  if (run >= (one_bit ? n14 : n7)) {
    // A symbol's value is the size of its delta.
    if (first != kLost) run = std::min(run, room / first);
    c = {static_cast<uint16_t>((first << 13) | run), run, run * first};
  } else if (one_bit) {
    c = {0x8000, n14, 0};
    for (size_t i = 0; i < n14; ++i) c.bits = static_cast<uint16_t>(c.bits | (next[i] << (13 - i)));
  } else {
    c = {0xc000, n7, 0};
    for (size_t i = 0; i < n7; ++i) c.bits = static_cast<uint16_t>(c.bits | (next[i] << (12 - 2 * i)));
  }
  if ((c.bits & 0x8000) != 0)
    for (size_t i = 0; i < c.symbols; ++i) c.delta_bytes += next[i];
  return c;
}

void write_deltas(Writer& w, std::span<const int64_t> arrivals, std::span<const uint8_t> symbols,
                  int64_t reference) {
  int64_t previous = reference * kTwccTicksPerReference;
  for (size_t i = 0; i < symbols.size(); ++i) {
    if (symbols[i] == kLost) continue;
    const int64_t delta = arrivals[i] - previous;
    previous = arrivals[i];
    if (symbols[i] == kSmall)
      w.u8(static_cast<uint8_t>(delta));
    else
      w.u16(static_cast<uint16_t>(delta));
  }
}

}  // namespace

std::optional<Twcc> parse_twcc(const View& packet) {
  if (packet.type != Type::rtpfb || packet.count != kFmtTransportCc) return {};
  Reader r(packet.body);
  Twcc out;
  out.sender = {r.u32()};
  out.media = {r.u32()};
  out.base_seq = r.u16();
  out.status_count = r.u16();
  out.reference_time = static_cast<int32_t>(r.u24() << 8) >> 8;
  out.feedback_count = r.u8();
  if (!r.ok() || out.status_count == 0) return {};

  size_t delta_bytes = 0;
  for (uint32_t done = 0; done < out.status_count;) {
    const uint16_t bits = r.u16();
    if (!r.ok()) return {};
    const uint32_t n = std::min<uint32_t>(Twcc::symbols_in(bits), out.status_count - done);
    done += n;
    const bool run = (bits & 0x8000) == 0;
    for (uint32_t i = 0; i < (run ? std::min(n, 1u) : n); ++i) {
      const uint8_t symbol = Twcc::symbol_at(bits, i);
      if (symbol > kLarge) return {};
      delta_bytes += size_t{symbol} * (run ? n : 1);
    }
  }
  out.chunks_ = packet.body.subspan(kFixed, r.position() - kFixed);
  out.deltas_ = r.take(delta_bytes);
  if (!r.ok()) return {};
  return out;
}

TwccWritten write_twcc(MutBytes dst, Ssrc sender, Ssrc media, uint16_t base_seq, uint8_t feedback_count,
                       std::span<const int64_t> arrival_ticks) {
  Symbols symbols;
  int64_t reference = 0;
  const size_t n = find_symbols(arrival_ticks, symbols, reference);
  const size_t room = dst.size() / 4 * 4;
  if (n == 0 || room < kHead) return {};

  size_t chunks = 0, delta_bytes = 0, done = 0;
  while (done < n) {
    const size_t used = kHead + 2 * (chunks + 1) + delta_bytes;
    if (used > room) break;
    const Chunk c = choose_chunk(std::span(symbols).subspan(done, n - done), room - used);
    if (c.symbols == 0 || used + c.delta_bytes > room) break;
    store_be<uint16_t>(dst.data() + kHead + 2 * chunks, c.bits);
    ++chunks;
    delta_bytes += c.delta_bytes;
    done += c.symbols;
  }
  if (delta_bytes == 0) return {};

  const size_t unpadded = kHead + 2 * chunks + delta_bytes, size = (unpadded + 3) / 4 * 4;
  Writer w(dst);
  write_packet_header(w, Type::rtpfb, kFmtTransportCc, size - kHeaderBytes);
  w.u32(sender.v);
  w.u32(media.v);
  w.u16(base_seq);
  w.u16(static_cast<uint16_t>(done));
  w.u24(static_cast<uint32_t>(reference) & 0xffffff);
  w.u8(feedback_count);
  w.reserve(2 * chunks);
  write_deltas(w, arrival_ticks.first(done), std::span(symbols).first(done), reference);
  w.zeros(size - unpadded);
  return {size, done};
}

}  // namespace sluice::rtcp
