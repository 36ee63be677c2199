#include "tests/client/media.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "net/rtp/report_block.h"

namespace sluice::test {
namespace {

constexpr uint32_t kMagic = 0x534c5443;

uint8_t filler(const Mark& m, size_t i) {
  return static_cast<uint8_t>((m.source * 131 + m.counter * 31 + i * 7) >> 1);
}

}  // namespace

std::vector<uint8_t> write_payload(const Mark& m, size_t size) {
  std::vector<uint8_t> out(std::max(size, kMarkBytes));
  Writer w(out);
  w.u32(kMagic);
  w.u32(m.source);
  w.u32(m.counter);
  w.u8(static_cast<uint8_t>(m.kind << 1 | (m.key_frame ? 1 : 0)));
  w.u8(0);
  w.u16(m.seq.v);
  w.u32(m.timestamp.v);
  for (size_t i = kMarkBytes; i < out.size(); ++i) out[i] = filler(m, i);
  return out;
}

std::optional<Mark> read_payload(Bytes payload) {
  Reader r(payload);
  if (r.u32() != kMagic) return std::nullopt;
  Mark m;
  m.source = r.u32();
  m.counter = r.u32();
  const uint8_t flags = r.u8();
  r.u8();
  m.kind = static_cast<Kind>(flags >> 1);
  m.key_frame = (flags & 1) != 0;
  m.seq.v = r.u16();
  m.timestamp.v = r.u32();
  if (!r.ok()) return std::nullopt;
  for (size_t i = kMarkBytes; i < payload.size(); ++i)
    if (payload[i] != filler(m, i)) return std::nullopt;
  return m;
}

Talker::Talker(uint32_t source, Kind kind, Ssrc ssrc, uint32_t clock_rate, const TalkerOptions& options,
               crypto::Random random)
    : source_(source),
      kind_(kind),
      ssrc_(ssrc),
      clock_rate_(clock_rate),
      options_(options),
      seq_{static_cast<uint16_t>(random.u32())},
      first_ts_{random.u32()} {}

RtpTime Talker::rtp_at(Micros now) const {
  return first_ts_ + static_cast<uint32_t>(rtp::ticks(now - begun_, clock_rate_));
}

bool Talker::talks(Micros now) const {
  if (options_.silence.us == 0) return true;
  const Micros cycle = options_.talk + options_.silence;
  return (now - begun_).us % cycle.us < options_.talk.us;
}

std::vector<std::vector<uint8_t>> Talker::due(Micros now, const AnsweredMedia& to) {
  std::vector<std::vector<uint8_t>> out;
  for (; next_ <= now; next_ += options_.interval) {
    if (!talks(next_)) {
      silent_before_ = true;
      continue;
    }
    const RtpTime timestamp = rtp_at(next_);
    const bool key = kind_ == kVideo && std::exchange(key_frame_, false);
    for (int i = 0; i < options_.burst; ++i) {
      const bool marker = kind_ == kAudio ? silent_before_ : i + 1 == options_.burst;
      silent_before_ = false;
      rtp::ElementList elements;
      if (to.mid_id != 0) elements.add_mid(to.mid_id, to.mid);
      if (to.level_id != 0) elements.add_audio_level(to.level_id, {true, 30});
      if (to.transport_seq_id != 0) elements.add_transport_seq(to.transport_seq_id, transport_seq_++);
      const rtp::Fields fields{
          .marker = marker, .payload_type = to.pt, .seq = seq_, .timestamp = timestamp, .ssrc = ssrc_};
      const auto payload = write_payload({source_, counter_, kind_, key, seq_, timestamp}, options_.payload);
      std::vector<uint8_t> packet(rtp::header_size(elements));
      rtp::write_header(packet, fields, elements);
      packet.insert(packet.end(), payload.begin(), payload.end());
      octets_ += payload.size();
      ++counter_;
      seq_ = seq_ + 1;
      out.push_back(std::move(packet));
    }
  }
  return out;
}

bool Listener::on_packet(const rtp::Header& header, Bytes payload, Micros now) {
  const auto mark = read_payload(payload);
  if (!mark) return fail(fmt::format("payload of {} bytes is nobody's", payload.size()));
  const Heard h{now, header.seq, header.timestamp, header.ssrc, header.marker, *mark};
  const bool ok = check(h);
  heard_.push_back(h);
  track(h.seq, now);
  return ok;
}

bool Listener::check(const Heard& h) {
  if (!heard_.empty() && heard_[0].ssrc != h.ssrc)
    return fail(fmt::format("SSRC changed from {:08x} to {:08x}", heard_[0].ssrc.v, h.ssrc.v));
  const Shift shift{h.seq.minus(h.mark.seq), h.timestamp.v - h.mark.timestamp.v};
  const auto [known, fresh] = shifts_.try_emplace(h.mark.source, shift);
  if (fresh || newest_source_ == h.mark.source) {
    if (known->second.seq != shift.seq || known->second.timestamp != shift.timestamp)
      return fail(fmt::format("source {} moved by {} numbers and {} ticks at its packet {}", h.mark.source,
                              shift.seq - known->second.seq,
                              static_cast<int32_t>(shift.timestamp - known->second.timestamp),
                              h.mark.counter));
    newest_source_ = h.mark.source;
    return true;
  }
  // Another source has taken over since: only stragglers of the old one may come, under its old shift.
  if (known->second.seq == shift.seq && known->second.timestamp == shift.timestamp) return true;
  if (!highest_ || !h.seq.newer_than(*highest_))
    return fail(fmt::format("source {} came back in the past", h.mark.source));
  known->second = shift;
  newest_source_ = h.mark.source;
  return true;
}

void Listener::track(SeqNo seq, Micros now) {
  if (!highest_) {
    highest_ = seq;
    return;
  }
  if (seq.newer_than(*highest_)) {
    if (seq.minus(*highest_) < 64)
      for (SeqNo s = *highest_ + 1; s.v != seq.v; s = s + 1) missing_.push_back({s, now, 0});
    highest_ = seq;
  } else {
    std::erase_if(missing_, [&](const Miss& m) { return m.seq == seq; });
  }
}

std::vector<SeqNo> Listener::take_missing(Micros now) {
  std::vector<SeqNo> out;
  for (Miss& m : missing_) {
    if (m.next > now) continue;
    out.push_back(m.seq);
    ++m.tries;
    m.next = now + millis(100);
  }
  std::erase_if(missing_, [](const Miss& m) { return m.tries >= 3; });
  return out;
}

}  // namespace sluice::test
