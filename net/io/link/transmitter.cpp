#include "net/io/link/transmitter.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <new>
#include <vector>

#include <fmt/format.h>
#include <sys/random.h>

#include "net/io/link/path_cache.h"
#include "net/io/link/paths.h"
#include "net/io/link/resolver.h"

namespace sluice::io::link {
namespace {

/// Most who are answered once (a refusal, a stranger) are never answered again, and an allocation or a call
/// that is only set up is not worth a question to the kernel.
constexpr uint8_t kAskAt = 8;

/// Whether a packet may be as long as its path depends on what the kernel has heard of routers.
bool may_be_too_long(const Packet& p) {
  constexpr size_t kHeaders = 20 + 8;
  return p.remote.is_v4() && p.len > kUnaskedMtu - kHeaders && p.len <= kRoutedMtu - kHeaders;
}

}  // namespace

struct Transmitter::Impl {
  Impl(Neighbours& n, PacketPool& p, FrameWriter w, uint32_t entries, uint64_t seed)
      : neighbours(n), paths(n.attach()), pool(p), writer(std::move(w)), cache(entries, seed) {}
  ~Impl() { neighbours.detach(paths); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  void take_answers();
  bool plan(const Packet& p, uint32_t index);
  bool is_known(PathEntry& e) const;
  bool by_socket(PathEntry& e, uint64_t& reason);
  void ask(PathEntry& e);
  void ask_again(PathEntry& e);
  bool query(PathEntry& e);
  bool take_validation(const PathEntry& e, uint64_t word);
  void account(const Flushed& f, IoCounters& io, DropCounters& drops);

  Neighbours& neighbours;
  ShardPaths& paths;
  PacketPool& pool;
  FrameWriter writer;
  PathCache cache;
  Ways ways;
  LinkCounters counters;
  // Of the batch in hand.
  uint32_t batch = 0;
  uint32_t generation = 0;
  uint32_t epoch = 0;
  bool asked = false;
  std::array<uint32_t, kTxBurst> sets;
  std::array<bool, kTxBurst> framed;
};

std::expected<std::unique_ptr<Transmitter>, IoError> Transmitter::make(Neighbours& neighbours,
                                                                       PacketPool& pool,
                                                                       const TransmitOptions& options) {
  auto writer = FrameWriter::open(options.frames);
  if (!writer) return std::unexpected(writer.error());
  uint64_t seed = 0;
  if (::getrandom(&seed, sizeof seed, 0) != sizeof seed)
    return std::unexpected(IoError{"the system gives no random bytes", ""});
  return std::unique_ptr<Transmitter>(new Transmitter(std::make_unique<Impl>(
      neighbours, pool, std::move(*writer), std::max(options.entries, PathCache::kWays), seed)));
}

Transmitter::Transmitter(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Transmitter::~Transmitter() = default;

const LinkCounters& Transmitter::counters() const { return impl_->counters; }

std::string Transmitter::describe() {
  return fmt::format("transmit with prebuilt headers is on, for routes over Ethernet; {}", kBypassWarning);
}

void Transmitter::send(TxBatch& tx, IoCounters& io, DropCounters& drops) {
  Impl& t = *impl_;
  if (tx.empty()) return;
  t.take_answers();
  t.generation = t.paths.hops.generation.load(std::memory_order_acquire);
  t.epoch = t.paths.hops.epoch.load(std::memory_order_relaxed);
  if (++t.batch == 0) t.batch = 1;
  for (uint32_t i = 0; i < tx.size(); ++i) {
    t.sets[i] = t.cache.set_of(tx[i].local.addr, tx[i].remote.addr);
    t.cache.prefetch(t.sets[i]);
  }
  for (uint32_t i = 0; i < tx.size(); ++i) t.framed[i] = t.plan(tx[i], i);
  if (std::exchange(t.asked, false)) t.paths.waker.wake();
  if (t.writer.queued() == 0) return;
  t.account(t.writer.flush(), io, drops);
  for (const uint32_t i : t.writer.refused()) t.framed[i] = false;
  size_t kept = 0;
  for (size_t i = 0; i < tx.size(); ++i) {
    if (t.framed[i])
      t.pool.drop(tx[i].slot);
    else if (kept++ != i)
      tx[kept - 1] = tx[i];
  }
  tx.truncate(kept);
}

void Transmitter::Impl::account(const Flushed& f, IoCounters& io, DropCounters& drops) {
  io.tx_packets += f.packets;
  io.tx_bytes += f.bytes;
  io.tx_calls += f.calls;
  io.tx_gso_segments += f.segments;
  io.tx_frames += f.packets;
  drops.add(Drop::tx_full, f.full);
  counters.frames += f.packets;
  counters.refused += writer.refused().size();
}

void Transmitter::Impl::take_answers() {
  while (paths.ways.try_pop(ways)) {
  }
  paths.answers.for_each(ShardPaths::kRing, [this](const PathAnswer& a) {
    if (PathEntry* e = cache.find(a.query.source, a.query.destination)) e->take(a);
  });
}

/// True: the packet was queued as a frame.
bool Transmitter::Impl::plan(const Packet& p, uint32_t index) {
  if (p.local.addr.is_unspecified() || p.remote.port == 0) return ++counters.not_suited, false;
  PathEntry* e = cache.find(p.local.addr, p.remote.addr, sets[index]);
  if (!e) e = cache.place(p.local.addr, p.remote.addr, sets[index], epoch);
  if (!e) return ++counters.unknown, false;
  e->used = epoch;
  if (e->batch == batch) return by_socket(*e, counters.behind);
  if (!is_known(*e)) {
    ask(*e);
    return by_socket(*e, counters.unknown);
  }
  if (e->state == PathEntry::State::refused) return by_socket(*e, counters.not_suited);
  if (may_be_too_long(p) && e->mtu <= kRoutedMtu) ask_again(*e);
  const uint64_t word = paths.hops.word[e->hop].load(std::memory_order_relaxed);
  const HopState hop = unpack(word);
  if (!hop.usable || hop.tag != e->hop_tag) return by_socket(*e, counters.no_neighbour);
  const Path path{.ifindex = e->ifindex,
                  .source = e->source_mac,
                  .destination = hop.mac,
                  .mtu = e->mtu,
                  .hop_limit = e->hop_limit};
  if (!FrameWriter::fits(path, p.remote.is_v4(), p.len)) return by_socket(*e, counters.too_long);
  if (hop.validate && take_validation(*e, word)) return by_socket(*e, counters.revalidated);
  // Nobody else reads a slot with one holder, so what is in front of the payload is free.
  const bool has_room = p.offset >= FrameWriter::kRoom && pool.refs(p.slot) == 1;
  if (!writer.push(path, p.local, p.remote, pool.payload(p), index, has_room))
    return by_socket(*e, counters.refused);
  return true;
}

/// Behind a router all are known from the first packet on.
bool Transmitter::Impl::is_known(PathEntry& e) const {
  if (e.is_answered() && e.generation == generation) return true;
  const auto to = ways.generation == generation ? ways.find(e.source, e.destination) : std::nullopt;
  if (to) e.take_way(*to, generation, epoch);
  return to.has_value();
}

/// Frames leave before what goes by sockets, so the rest of the batch to there follows by its socket too.
bool Transmitter::Impl::by_socket(PathEntry& e, uint64_t& reason) {
  e.batch = batch;
  ++reason;
  return false;
}

/// Not at the first batches.
void Transmitter::Impl::ask(PathEntry& e) {
  if (e.state == PathEntry::State::fresh) {
    if (++e.batches + 1 >= kAskAt) e.state = PathEntry::State::seen;
  } else if (e.state != PathEntry::State::asked && query(e)) {
    e.state = PathEntry::State::asked;
  }
}

/// What routers tell the kernel of their links is announced to nobody. So the path is asked for once in an
/// epoch in which that matters, and used as it was meanwhile.
void Transmitter::Impl::ask_again(PathEntry& e) {
  if (e.state == PathEntry::State::way && e.batches + 1 < kAskAt)
    ++e.batches;
  else if (e.asked_in != static_cast<uint8_t>(epoch))
    query(e);
}

bool Transmitter::Impl::query(PathEntry& e) {
  if (!paths.queries.try_push({e.source, e.destination})) return false;
  e.asked_in = static_cast<uint8_t>(epoch);
  return asked = true;
}

/// Of all transmitters that see the mark, one takes it off.
bool Transmitter::Impl::take_validation(const PathEntry& e, uint64_t word) {
  return paths.hops.word[e.hop].compare_exchange_strong(word, word & ~kHopValidate,
                                                        std::memory_order_relaxed);
}

}  // namespace sluice::io::link
