#include "tools/load/generator.h"

#include <algorithm>

namespace sluice::load {
namespace {

constexpr int kReceives = 8;     ///< batches per round: receiving keeps up with sending
constexpr int kSends = 128;      ///< slots per round and direction
constexpr uint32_t kOpens = 32;  ///< sessions begun per round
constexpr Nanos kSweepEvery = 1'000'000;
constexpr uint32_t kSweepParts = 10;  ///< a timer is at most so many sweeps late
/// But no sweep looks at more: of a million sessions a timer may be an eighth of a second late.
constexpr uint32_t kSweepMost = 8192;
constexpr size_t kMaxSeconds = 100'000;

}  // namespace

Generator::Generator(const Bench& bench, Protocol& protocol, const Traffic& traffic, Nanos began)
    : bench_(bench), protocol_(protocol), traffic_(traffic), began_(began), media_(bench.wire) {
  media_.set_seal(&protocol_,
                  [](void* self, std::span<TxPacket> p) { return static_cast<Protocol*>(self)->seal(p); });
}

void Generator::set_pace(const Pace& pace) {
  if (pace.epoch != pace_.epoch) {
    const Nanos interval = bench_.options.interval();
    up_ = bench_.options.up ? Schedule(pace.active, interval, pace.epoch) : Schedule();
    // Half an interval apart, as the two sides of a call are not in step.
    down_ = bench_.options.down ? Schedule(pace.active, interval, pace.epoch + interval / 2) : Schedule();
  }
  if (pace.begin != pace_.begin) figures_ = {};
  pace_ = pace;
  pace_.target = std::min(pace_.target, bench_.sessions.capacity());
}

bool Generator::step(Nanos now) {
  bool work = receive(now);
  if (work) now = bench_.wire.now();
  if (now >= next_send_) {
    next_send_ = now + bench_.options.quantum;
    work = send_due(up_, Way::up, now) || work;
    work = send_due(down_, Way::down, now) || work;
    media_.flush();
  }
  protocol_.poll(now);
  work = open_due(now) || work;
  if (now >= next_sweep_) sweep(now);
  bench_.control.flush();
  return work;
}

bool Generator::receive(Nanos now) {
  bool any = false;
  for (int i = 0; i < kReceives; ++i) {
    const auto batch = bench_.wire.receive();
    if (batch.empty()) break;
    any = true;
    protocol_.unwrap(batch, now);
    for (const RxPacket& p : batch)
      if (!p.media.empty()) account(p);
    for (const RxPacket& p : protocol_.unpacked())
      if (!p.media.empty()) account(p);
    if (batch.size() < kBatch / 2) break;
  }
  return any;
}

void Generator::account(const RxPacket& p) {
  const Mark m = read_mark(p.media);
  if (m.run != bench_.run || m.session >= bench_.sessions.capacity()) {
    ++figures_.strays;
    return;
  }
  protocol_.on_media(m.session, m.way, p);
  const bool up = m.way == Way::up;
  // What goes to several players is counted where it arrives.
  const bool at_client = up && p.local.kind() == Local::client;
  Session& session = bench_.sessions[at_client ? p.local.index() : m.session];
  const Arrival arrival = (up ? session.up_seen : session.down_seen).on(m.number);
  const bool counts = arrival == Arrival::newest || arrival == Arrival::reordered;
  const Nanos latency = p.at - m.intended;
  if (counts) {
    Second& s = second(m.intended);
    ++s.delivered;
    s.latency.add(latency);
  }
  if (!measured(m.intended)) return;
  WayFigures& w = up ? figures_.up : figures_.down;
  w.duplicates += arrival == Arrival::duplicate;
  w.reordered += arrival == Arrival::reordered;
  w.stale += arrival == Arrival::stale;
  if (!counts) return;
  ++w.delivered;
  w.latency.add(latency);
}

bool Generator::send_due(Schedule& schedule, Way way, Nanos now) {
  int n = 0;
  for (; schedule.next().at <= now && n < kSends; ++n) {
    Session& session = bench_.sessions[schedule.next().session];
    if (session.state == State::ready) send(session, schedule.next(), way, now);
    schedule.advance();
  }
  return n > 0;
}

void Generator::send(Session& session, const Schedule::Slot& slot, Way way, Nanos now) {
  const bool up = way == Way::up;
  const Endpoint& to = up ? session.up_to : session.down_to;
  if (to.port == 0 || !(up ? session.talks_up : session.talks_down)) return;
  const uint16_t bytes = traffic_.bytes(slot.session * 2 + (up ? 0 : 1), slot.round);
  if (bytes == 0) return;
  TxPacket& p = media_.open(up ? Local::of(Local::client, slot.session) : session.far, to);
  const Mark mark{bench_.run, slot.session, way, up ? session.up_number++ : session.down_number++, slot.at};
  write_rtp({p.data, bytes}, mark);
  p.len = bytes;
  p.session = slot.session;
  media_.commit();
  Second& s = second(slot.at);
  ++s.sent;
  s.expected += session.copies;
  if (!measured(slot.at)) return;
  figures_.lag.add(now - slot.at);
  WayFigures& w = up ? figures_.up : figures_.down;
  ++w.sent;
  w.sent_bytes += bytes;
  w.expected += session.copies;
}

bool Generator::open_due(Nanos now) {
  if (opened_ >= pace_.target || now < next_open_) return false;
  const auto step = static_cast<Nanos>(1e9 / pace_.setup_rate);
  const uint32_t clump = bench_.options.setup_clump;
  // After a pause the clock of openings starts anew; what a stall delayed is made up for.
  if (opened_ == 0 || bench_.sessions.setup().begun == 0 || now - next_open_ > kSecond) next_open_ = now;
  for (uint32_t i = 0; i < std::max(kOpens, clump) && opened_ < pace_.target && next_open_ <= now; ++i) {
    const uint32_t s = opened_++;
    bench_.sessions.begin(s, now);
    protocol_.open(s, now);
    if (opened_ % clump == 0) next_open_ += clump * step;
  }
  return true;
}

void Generator::sweep(Nanos now) {
  next_sweep_ = now + kSweepEvery;
  const uint32_t n = std::min({opened_, opened_ / kSweepParts + 64, kSweepMost});
  for (uint32_t i = 0; i < n; ++i) {
    if (swept_ >= opened_) swept_ = 0;
    const uint32_t s = swept_++;
    if (bench_.sessions.timer(s) > now) continue;
    bench_.sessions.set_timer(s, kNanosNever);
    protocol_.on_timer(s, now);
  }
  Second& current = second(now);
  current.ready = static_cast<uint32_t>(bench_.sessions.setup().ready);
  current.setups += bench_.sessions.take_fresh();
}

Nanos Generator::next_due(Nanos now) const {
  Nanos due = std::max(std::min(up_.next().at, down_.next().at), next_send_);
  if (opened_ < pace_.target) due = std::min(due, next_open_);
  return std::min(due, now + kSweepEvery);
}

void Generator::close_all() {
  for (uint32_t s = 0; s < opened_; ++s)
    if (bench_.sessions[s].state == State::ready) {
      protocol_.close(s);
      bench_.sessions[s].state = State::closed;
    }
  bench_.control.flush();
}

Second& Generator::second(Nanos at) {
  const auto i = static_cast<size_t>(std::max<Nanos>(0, at - began_) / kSecond);
  const size_t k = std::min(i, kMaxSeconds - 1);
  if (k >= series_.size()) series_.resize(k + 1);
  return series_[k];
}

}  // namespace sluice::load
