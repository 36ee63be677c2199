#include "engine/slow/streams.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>

#include "engine/shard/seqlock.h"
#include "engine/slow/stream_table.h"
#include "net/base/ring.h"
#include "net/io/address.h"
#include "net/io/waker.h"

namespace sluice::slow {
namespace {

constexpr Micros kSweepInterval = seconds(1);
/// A shard's ring was full, and the shard does not say when it is not.
constexpr Micros kRetryClosed = millis(10);
constexpr int kEventsPerTurn = 64;
constexpr int kAcceptsPerTurn = 64;
/// Of one stream, so that no fast one starves the others.
constexpr int kReadsPerTurn = 4;
constexpr size_t kMessagesPerTurn = 256;
/// Four TLS records.
constexpr size_t kReadBytes = 64 * 1024;

/// epoll's word for what a descriptor is: the kind above, a listener's index or a stream's name below.
enum class Source : uint32_t { waker, listener, stream };
constexpr uint64_t tag(Source s, uint32_t name) { return uint64_t{static_cast<uint32_t>(s)} << 32 | name; }

Micros clock_now() {
  timespec t{};
  ::clock_gettime(CLOCK_MONOTONIC, &t);
  return Micros{static_cast<int64_t>(t.tv_sec) * 1'000'000 + t.tv_nsec / 1000};
}

template <class Counters, class Reason>
void count(Counters& c, Reason why) {
  ++c[static_cast<size_t>(why)];
}

/// Of a connected socket.
Endpoint local_of(int fd) {
  io::SocketAddress a{};
  socklen_t len = sizeof a;
  if (::getsockname(fd, &a.sa, &len) != 0) return {};
  return io::from_sockaddr(reinterpret_cast<const uint8_t*>(&a));
}

}  // namespace

struct StreamWorker::Impl {
  struct Named {
    StreamId id;
    Endpoint remote;
    Endpoint local;
  };

  Impl(std::vector<StreamListener> l, std::optional<TlsContext> t, std::vector<StreamPort> p,
       const StreamServices& s, const StreamLimits& lim)
      : listeners(std::move(l)),
        tls(std::move(t)),
        ports(std::move(p)),
        services(s),
        limits(lim),
        waker(EFD_NONBLOCK),
        epoll(::epoll_create1(EPOLL_CLOEXEC)),
        table(lim.max_streams),
        admission(lim.admission),
        pushed(ports.size()),
        closed(ports.size()),
        buffer(kReadBytes) {}

  // Turns
  void sleep(Micros longest);
  Micros wait_for(Micros longest) const;
  void on_event(const epoll_event& e);
  void wake_shards();
  void sweep();

  // Listeners
  bool watch(int fd, uint32_t events, uint64_t what, int op);
  void listen(bool on);
  void accept_from(const StreamListener& l);
  void take(io::Fd fd, const StreamListener& l, const Endpoint& remote);
  void refuse(StreamRefusal why) { count(n.refused, why); }

  // Streams
  void on_ready(Stream& s);
  bool read_from(Stream& s);
  bool take_messages(Stream& s, Bytes in);
  bool is_served(const Stream& s) const;
  void to_shard(const Stream& s, Bytes message);
  bool push(size_t shard, const Named& s, FromStream::Type type, Bytes bytes);
  size_t shard_of(StreamId id) const { return id.shard(static_cast<uint32_t>(ports.size())); }
  void from_shards();
  void send(Stream& s, const ToStream& m);
  void flush(Stream& s);
  void flush_dirty();
  bool is_overdue(const Stream& s) const;
  void end(Stream& s, StreamEnd why);
  void push_closed();

  std::vector<StreamListener> listeners;
  std::optional<TlsContext> tls;
  std::vector<StreamPort> ports;
  StreamServices services;
  StreamLimits limits;
  io::Waker waker;
  io::Fd epoll;
  StreamTable table;
  StreamAdmission admission;
  std::vector<bool> pushed;               ///< index: port
  std::vector<std::deque<Named>> closed;  ///< index: port; what its shard has not been told
  std::vector<StreamId> dirty;
  std::vector<uint8_t> buffer;
  Micros now;
  Micros next_sweep;
  bool listening = true;
  StreamCounters n;
  engine::SeqLocked<StreamCounters> published;
};

// ---- turns ------------------------------------------------------------------------------------------------

Micros StreamWorker::Impl::wait_for(Micros longest) const {
  for (const StreamPort& p : ports)
    if (p.in->size_approx() > 0) return Micros{};
  if (std::ranges::any_of(closed, [](const auto& c) { return !c.empty(); }))
    longest = std::min(longest, kRetryClosed);
  if (table.size() > 0 || !listening || admission.size() > 0)
    longest = std::min(longest, std::max(next_sweep - clock_now(), Micros{}));
  return longest;
}

void StreamWorker::Impl::sleep(Micros longest) {
  epoll_event events[kEventsPerTurn];
  const bool may_sleep = waker.may_sleep();
  const Micros wait = may_sleep ? wait_for(longest) : Micros{};
  const int timeout =
      wait == kNever ? -1 : static_cast<int>(std::min<int64_t>((wait.us + 999) / 1000, 60'000));
  const int got = ::epoll_wait(epoll.get(), events, kEventsPerTurn, timeout);
  if (may_sleep) waker.awake();
  now = clock_now();
  for (int i = 0; i < got; ++i) on_event(events[i]);
}

void StreamWorker::Impl::on_event(const epoll_event& e) {
  const auto name = static_cast<uint32_t>(e.data.u64);
  switch (static_cast<Source>(e.data.u64 >> 32)) {
    case Source::waker: {
      uint64_t rung = 0;
      [[maybe_unused]] const ssize_t got = ::read(waker.fd(), &rung, sizeof rung);
      return;
    }
    case Source::listener:
      return accept_from(listeners[name]);
    case Source::stream:
      if (Stream* s = table.find(StreamId(name))) on_ready(*s);
  }
}

void StreamWorker::Impl::wake_shards() {
  for (size_t i = 0; i < ports.size(); ++i) {
    if (!pushed[i]) continue;
    pushed[i] = false;
    ports[i].wake();
  }
}

void StreamWorker::Impl::sweep() {
  if (now < next_sweep) return;
  next_sweep = now + kSweepInterval;
  admission.tidy(now);
  if (!listening) listen(true);
  table.for_each([&](Stream& s) {
    if (is_overdue(s)) end(s, s.is_recognised() ? StreamEnd::idle : StreamEnd::silent);
  });
}

bool StreamWorker::Impl::is_overdue(const Stream& s) const {
  if (!s.is_recognised()) return now - s.opened > limits.first_message;
  return now - s.heard > (is_turn_stream(s.id().ifindex()) ? limits.idle_turn : limits.idle_ice);
}

// ---- listeners --------------------------------------------------------------------------------------------

bool StreamWorker::Impl::watch(int fd, uint32_t events, uint64_t what, int op) {
  epoll_event e{};
  e.events = events;
  e.data.u64 = what;
  return ::epoll_ctl(epoll.get(), op, fd, &e) == 0;
}

/// Off while no descriptor is left: who waits to be accepted would be reported again and again.
void StreamWorker::Impl::listen(bool on) {
  listening = on;
  const uint32_t events = on ? EPOLLIN : 0U;
  for (uint32_t i = 0; i < listeners.size(); ++i)
    watch(listeners[i].fd.get(), events, tag(Source::listener, i), EPOLL_CTL_MOD);
}

void StreamWorker::Impl::accept_from(const StreamListener& l) {
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    io::SocketAddress a{};
    socklen_t len = sizeof a;
    io::Fd fd(::accept4(l.fd.get(), &a.sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (fd) {
      take(std::move(fd), l, io::from_sockaddr(reinterpret_cast<const uint8_t*>(&a)));
      continue;
    }
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      refuse(StreamRefusal::files);
      return listen(false);
    }
    // A connection that broke while it waited is no reason to stop.
    if (errno == EAGAIN || errno == EWOULDBLOCK) return;
  }
}

void StreamWorker::Impl::take(io::Fd fd, const StreamListener& l, const Endpoint& remote) {
  if (table.full()) return refuse(StreamRefusal::full);
  switch (admission.open(remote.addr, now)) {
    case StreamAdmission::Verdict::too_many:
      return refuse(StreamRefusal::address);
    case StreamAdmission::Verdict::too_fast:
      return refuse(StreamRefusal::rate);
    case StreamAdmission::Verdict::admitted:
      break;
  }
  const StreamId id = table.next_id();
  const int raw = fd.get();
  auto secured = l.tls && tls ? TlsStream::make(*tls, raw) : nullptr;
  if ((l.tls && secured == nullptr) ||
      !watch(raw, EPOLLIN, tag(Source::stream, id.ifindex()), EPOLL_CTL_ADD)) {
    admission.close(remote.addr);
    return refuse(StreamRefusal::files);
  }
  table.put(std::make_unique<Stream>(std::move(fd), id, remote, local_of(raw), std::move(secured), now));
  ++n.accepted;
  if (l.tls) ++n.accepted_tls, ++n.open_tls;
}

// ---- streams ----------------------------------------------------------------------------------------------

void StreamWorker::Impl::on_ready(Stream& s) {
  // A flight of TLS's own that was stuck goes out with the read; flush() looks whether it did.
  if (read_from(s) && (s.blocked() || s.polled_out)) flush(s);
}

/// False if the stream has ended.
bool StreamWorker::Impl::read_from(Stream& s) {
  for (int i = 0; i < kReadsPerTurn; ++i) {
    const StreamIoResult r = s.read(buffer);
    switch (r.state) {
      case StreamIo::wait:
        return true;
      case StreamIo::closed:
        return end(s, StreamEnd::peer), false;
      case StreamIo::failed:
        return end(s, s.is_tls() && !s.is_recognised() ? StreamEnd::tls : StreamEnd::broken), false;
      case StreamIo::done:
        break;
    }
    s.heard = now;
    n.bytes_in += r.n;
    if (!take_messages(s, Bytes(buffer).first(r.n))) return end(s, StreamEnd::malformed), false;
    if (!s.is_tls() && r.n < buffer.size()) return true;
  }
  return true;
}

/// False if these are none.
bool StreamWorker::Impl::take_messages(Stream& s, Bytes in) {
  for (;;) {
    const stun::StreamReader::Step step = s.reader().next(in);
    switch (step.got) {
      case stun::StreamReader::Got::more:
        return true;
      case stun::StreamReader::Got::malformed:
        return false;
      case stun::StreamReader::Got::oversize:
        count(n.dropped, StreamDrop::oversize);
        break;
      case stun::StreamReader::Got::message:
        if (!s.is_recognised()) {
          if (!is_served(s)) return false;
          s.recognised();
          ++(is_turn_stream(s.id().ifindex()) ? n.turn : n.ice);
        }
        to_shard(s, step.message);
    }
  }
}

bool StreamWorker::Impl::is_served(const Stream& s) const {
  return s.framing() == stun::StreamFraming::turn ? services.turn : services.ice && !s.is_tls();
}

void StreamWorker::Impl::to_shard(const Stream& s, Bytes message) {
  const size_t shard = shard_of(s.id());
  pushed[shard] = true;
  if (!push(shard, {s.id(), s.remote(), s.local()}, FromStream::Type::datagram, message))
    return count(n.dropped, StreamDrop::ring_full);
  ++n.datagrams_in;
}

bool StreamWorker::Impl::push(size_t shard, const Named& s, FromStream::Type type, Bytes bytes) {
  return ports[shard].out->try_emplace([&](FromStream& m) {
    m.type = type;
    m.stream = s.id;
    m.remote = s.remote;
    m.local = s.local;
    m.len = static_cast<uint16_t>(bytes.size());
    std::copy(bytes.begin(), bytes.end(), m.data);
  });
}

void StreamWorker::Impl::from_shards() {
  for (const StreamPort& p : ports)
    p.in->for_each(kMessagesPerTurn, [&](const ToStream& m) {
      Stream* s = table.find(m.stream);
      if (s != nullptr) return send(*s, m);
      if (m.type == ToStream::Type::datagram) count(n.dropped, StreamDrop::gone);
    });
}

void StreamWorker::Impl::send(Stream& s, const ToStream& m) {
  if (!s.dirty) dirty.push_back(s.id());
  s.dirty = true;
  if (m.type == ToStream::Type::close) {
    s.ending = true;
    return;
  }
  const size_t before = s.queued();
  const size_t room = limits.send_queues - std::min<size_t>(n.queued, limits.send_queues);
  if (!s.queue(m.bytes(), std::min(limits.send_queue, before + room)))
    return count(n.dropped, StreamDrop::slow_reader);
  n.queued += s.queued() - before;
  ++n.datagrams_out;
  if (is_turn_stream(s.id().ifindex())) s.heard = now;
}

void StreamWorker::Impl::flush(Stream& s) {
  const size_t before = s.queued();
  const StreamIo state = s.flush();
  n.queued -= before - s.queued();
  n.bytes_out += before - s.queued();
  if (state == StreamIo::closed || state == StreamIo::failed) return end(s, StreamEnd::broken);
  if (s.ending && s.queued() == 0) return end(s, StreamEnd::shard);
  if (s.blocked() == s.polled_out) return;
  s.polled_out = s.blocked();
  watch(s.fd(), s.polled_out ? EPOLLIN | EPOLLOUT : EPOLLIN, tag(Source::stream, s.id().ifindex()),
        EPOLL_CTL_MOD);
}

void StreamWorker::Impl::flush_dirty() {
  for (const StreamId id : dirty) {
    Stream* s = table.find(id);
    if (s == nullptr) continue;
    s->dirty = false;
    // While the socket is full only epoll knows when it is not.
    if (!s->polled_out) flush(*s);
  }
  dirty.clear();
}

void StreamWorker::Impl::end(Stream& s, StreamEnd why) {
  count(n.ended, why);
  if (s.is_tls()) --n.open_tls;
  n.queued -= s.queued();
  admission.close(s.remote().addr);
  // Of others no shard has heard.
  if (s.is_recognised()) closed[shard_of(s.id())].push_back({s.id(), s.remote(), s.local()});
  table.erase(s);
}

void StreamWorker::Impl::push_closed() {
  for (size_t i = 0; i < ports.size(); ++i)
    for (auto& waiting = closed[i]; !waiting.empty(); waiting.pop_front()) {
      if (!push(i, waiting.front(), FromStream::Type::closed, {})) break;
      pushed[i] = true;
    }
}

// ---- outside ----------------------------------------------------------------------------------------------

StreamWorker::StreamWorker(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
StreamWorker::~StreamWorker() = default;

std::expected<std::unique_ptr<StreamWorker>, std::string> StreamWorker::make(
    std::vector<StreamListener> listeners, std::optional<TlsContext> tls, std::vector<StreamPort> ports,
    const StreamServices& services, const StreamLimits& limits) {
  auto impl =
      std::make_unique<Impl>(std::move(listeners), std::move(tls), std::move(ports), services, limits);
  bool ok = impl->waker.ok() && impl->epoll;
  ok = ok && impl->watch(impl->waker.fd(), EPOLLIN, tag(Source::waker, 0), EPOLL_CTL_ADD);
  for (uint32_t i = 0; ok && i < impl->listeners.size(); ++i)
    ok = impl->watch(impl->listeners[i].fd.get(), EPOLLIN, tag(Source::listener, i), EPOLL_CTL_ADD);
  if (!ok) return std::unexpected(std::string("no epoll for the streams worker: ") + std::strerror(errno));
  return std::unique_ptr<StreamWorker>(new StreamWorker(std::move(impl)));
}

void StreamWorker::run_once(Micros longest) {
  Impl& w = *impl_;
  w.sleep(longest);
  w.from_shards();
  w.flush_dirty();
  w.sweep();
  w.push_closed();
  w.wake_shards();
  w.n.open = w.table.size();
  w.published.store(w.n);
}

void StreamWorker::wake() { impl_->waker.wake(); }

StreamCounters StreamWorker::counters() const {
  StreamCounters out;
  impl_->published.load(out);
  return out;
}

std::vector<Endpoint> StreamWorker::listening(bool tls) const {
  std::vector<Endpoint> out;
  for (const StreamListener& l : impl_->listeners)
    if (l.tls == tls) out.push_back(l.bound);
  return out;
}

}  // namespace sluice::slow
