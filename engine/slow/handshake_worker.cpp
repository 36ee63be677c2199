#include "engine/slow/handshake_worker.h"

#include <algorithm>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "net/base/ring.h"
#include "net/dtls/server.h"

namespace sluice::slow {
namespace {

/// Nobody tells the worker that a shard has made room in its ring.
constexpr Micros kRetryFullRing = millis(1);

}  // namespace

struct HandshakeWorker::Impl {
  using Key = std::pair<uint32_t, uint64_t>;  // port, the shard's session number

  struct Session {
    dtls::Server server;
    Micros give_up_at;  // kNever once connected
    Micros first_datagram = kNever;
    Micros timer = kNever;         // as it stands in timers_
    uint32_t retransmissions = 0;  // already counted
    bool keep = false;
  };

  struct Port {
    HandshakePort ends;
    std::deque<FromHandshake>
        waiting;  // did not fit into ends.out; while it is not empty, nothing is taken in
    bool pushed = false;
  };

  Impl(const dtls::Context& c, std::span<const HandshakePort> ports, HandshakeLimits l)
      : context(c), limits(l) {
    for (const HandshakePort& p : ports) ports_.push_back({p, {}, false});
  }
  ~Impl() {
    for (Port& p : ports_)
      for (FromHandshake& m : p.waiting) dtls::cleanse(m.keys);
  }

  Micros step(Micros now);
  bool take_one(uint32_t port, Micros now);
  void handle(uint32_t port, const ToHandshake& m, Micros now);
  void start(Key key, const ToHandshake& m, Micros now);
  void datagram(Key key, Bytes bytes, Micros now);
  void close(Key key);
  void on_timer(Key key, Micros now);
  void after_input(Key key, Session& s, Micros now);
  void connected(Key key, Session& s, Micros now);
  void end(Key key, FromHandshake::Type how, dtls::Failure failure);
  void set_timer(Key key, Session& s);
  void forget(Key key);
  void send_output(Key key);
  void push(uint32_t port, const FromHandshake& m);
  bool flush(Port& p);
  static void wake(Port& p) {
    if (std::exchange(p.pushed, false)) p.ends.wake();
  }
  template <class F>
  void timed(F&& f);

  const dtls::Context& context;
  const HandshakeLimits limits;
  std::vector<Port> ports_;
  std::map<Key, Session> sessions_;
  std::set<std::pair<Micros, Key>> timers_;
  dtls::Output output_;
  HandshakeCounters counters_;
  mutable std::mutex mutex_;
  HandshakeCounters published_;  // under mutex_
};

template <class F>
void HandshakeWorker::Impl::timed(F&& f) {
  const uint64_t before = limits.cpu_clock == nullptr ? 0 : limits.cpu_clock();
  f();
  if (limits.cpu_clock != nullptr) counters_.cpu_us += limits.cpu_clock() - before;
}

/// Moves what waits into the ring; true when nothing waits any more.
bool HandshakeWorker::Impl::flush(Port& p) {
  while (!p.waiting.empty() && p.ends.out->try_push(p.waiting.front())) {
    dtls::cleanse(p.waiting.front().keys);
    p.waiting.pop_front();
    p.pushed = true;
  }
  return p.waiting.empty();
}

void HandshakeWorker::Impl::push(uint32_t port, const FromHandshake& m) {
  Port& p = ports_[port];
  if (flush(p) && p.ends.out->try_push(m))
    p.pushed = true;
  else
    p.waiting.push_back(m);
}

void HandshakeWorker::Impl::send_output(Key key) {
  FromHandshake m;
  m.session = key.second;
  for (size_t i = 0; i < output_.size(); ++i) {
    std::ranges::copy(output_[i], m.data);
    m.len = static_cast<uint16_t>(output_[i].size());
    push(key.first, m);
  }
  counters_.datagrams_out += output_.size();
  output_.clear();
}

void HandshakeWorker::Impl::set_timer(Key key, Session& s) {
  const Micros at = std::min(s.server.deadline(), s.give_up_at);
  if (at == s.timer) return;
  if (s.timer != kNever) timers_.erase({s.timer, key});
  if (at != kNever) timers_.insert({at, key});
  s.timer = at;
}

void HandshakeWorker::Impl::forget(Key key) {
  const auto it = sessions_.find(key);
  if (it == sessions_.end()) return;
  if (it->second.timer != kNever) timers_.erase({it->second.timer, key});
  sessions_.erase(it);
}

void HandshakeWorker::Impl::end(Key key, FromHandshake::Type how, dtls::Failure failure) {
  forget(key);
  FromHandshake m;
  m.type = how;
  m.session = key.second;
  m.failure = failure;
  if (how == FromHandshake::Type::failed) ++counters_.failed[static_cast<size_t>(failure)];
  if (how == FromHandshake::Type::closed) ++counters_.closed;
  push(key.first, m);
}

void HandshakeWorker::Impl::start(Key key, const ToHandshake& m, Micros now) {
  forget(key);
  ++counters_.started;
  if (sessions_.size() >= limits.max_sessions)
    return end(key, FromHandshake::Type::failed, dtls::Failure::too_many);
  auto [it, fresh] = sessions_.try_emplace(key, Session{.server = dtls::Server(context, m.fingerprint),
                                                        .give_up_at = now + limits.start_limit,
                                                        .keep = m.keep});
  set_timer(key, it->second);
}

void HandshakeWorker::Impl::datagram(Key key, Bytes bytes, Micros now) {
  ++counters_.datagrams_in;
  const auto it = sessions_.find(key);
  if (it == sessions_.end()) {
    ++counters_.datagrams_unknown;
    return;
  }
  Session& s = it->second;
  if (s.first_datagram == kNever) s.first_datagram = now;
  timed([&] { s.server.input(bytes, now, output_); });
  after_input(key, s, now);
}

void HandshakeWorker::Impl::after_input(Key key, Session& s, Micros now) {
  send_output(key);
  counters_.retransmissions +=
      s.server.retransmissions() - std::exchange(s.retransmissions, s.server.retransmissions());
  switch (s.server.state()) {
    case dtls::State::handshaking:
      return set_timer(key, s);
    case dtls::State::connected:
      return connected(key, s, now);
    case dtls::State::failed:
      return end(key, FromHandshake::Type::failed, s.server.failure());
    case dtls::State::closed:
      return end(key, FromHandshake::Type::closed, dtls::Failure::none);
  }
}

void HandshakeWorker::Impl::connected(Key key, Session& s, Micros now) {
  if (s.give_up_at == kNever) return;  // already told
  auto keys = s.server.export_keys();
  if (!keys) return end(key, FromHandshake::Type::failed, keys.error());
  FromHandshake m;
  m.type = FromHandshake::Type::connected;
  m.session = key.second;
  m.keys = *keys;
  const auto append = [&m](Bytes b, size_t at, size_t most) {
    if (b.size() > most) return uint16_t{0};
    std::ranges::copy(b, m.data + at);
    return static_cast<uint16_t>(b.size());
  };
  m.len = append(s.server.last_flight(), 0, FromHandshake::kMaxLastFlight);
  if (!s.keep) {
    s.server.close(output_);
    if (!output_.empty()) m.close_len = append(output_[0], m.len, FromHandshake::kMaxCloseNotify);
    output_.clear();
  }
  ++counters_.done;
  counters_.handshake_us += static_cast<uint64_t>((now - s.first_datagram).us);
  s.give_up_at = kNever;
  set_timer(key, s);
  if (!s.keep) forget(key);
  push(key.first, m);
  dtls::cleanse(m.keys);
  dtls::cleanse(*keys);
}

void HandshakeWorker::Impl::close(Key key) {
  if (const auto it = sessions_.find(key); it != sessions_.end()) {
    it->second.server.close(output_);
    send_output(key);
  }
  end(key, FromHandshake::Type::closed, dtls::Failure::none);
}

void HandshakeWorker::Impl::handle(uint32_t port, const ToHandshake& m, Micros now) {
  const Key key{port, m.session};
  switch (m.type) {
    case ToHandshake::Type::start:
      return start(key, m, now);
    case ToHandshake::Type::datagram:
      return datagram(key, m.bytes(), now);
    case ToHandshake::Type::close:
      return close(key);
  }
}

bool HandshakeWorker::Impl::take_one(uint32_t port, Micros now) {
  Port& p = ports_[port];
  if (!flush(p)) return false;
  const size_t n = p.ends.in->for_each(1, [&](const ToHandshake& m) { handle(port, m, now); });
  // Not at the end of the step: other handshakes would sit between an answer and its client.
  wake(p);
  return n == 1;
}

void HandshakeWorker::Impl::on_timer(Key key, Micros now) {
  Session& s = sessions_.at(key);
  if (now >= s.give_up_at) return end(key, FromHandshake::Type::failed, dtls::Failure::timeout);
  timed([&] { s.server.timeout(now, output_); });
  // To a shard that takes nothing, a retransmission is not worth queueing.
  if (!flush(ports_[key.first])) output_.clear();
  after_input(key, s, now);
}

Micros HandshakeWorker::Impl::step(Micros now) {
  bool took = true;
  for (uint32_t turn = 0; took && turn < limits.max_messages; ++turn) {
    took = false;
    for (uint32_t port = 0; port < ports_.size(); ++port) took |= take_one(port, now);
  }
  while (!timers_.empty() && timers_.begin()->first <= now) on_timer(timers_.begin()->second, now);
  Micros next = took ? now : timers_.empty() ? kNever : timers_.begin()->first;
  for (Port& p : ports_) {
    if (!flush(p)) next = std::min(next, now + kRetryFullRing);
    wake(p);
  }
  counters_.in_progress = sessions_.size();
  const std::scoped_lock lock(mutex_);
  published_ = counters_;
  return next;
}

HandshakeWorker::HandshakeWorker(const dtls::Context& context, std::span<const HandshakePort> ports,
                                 HandshakeLimits limits)
    : impl_(std::make_unique<Impl>(context, ports, limits)) {}
HandshakeWorker::~HandshakeWorker() = default;

Micros HandshakeWorker::step(Micros now) { return impl_->step(now); }

HandshakeCounters HandshakeWorker::counters() const {
  const std::scoped_lock lock(impl_->mutex_);
  return impl_->published_;
}

}  // namespace sluice::slow
