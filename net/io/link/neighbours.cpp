#include "net/io/link/neighbours.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <pthread.h>

#include "net/io/kernel.h"
#include "net/io/link/frame_writer.h"
#include "net/io/link/hops.h"
#include "net/io/link/netlink.h"
#include "net/io/link/paths.h"
#include "net/io/link/resolver.h"
#include "net/io/link/tables.h"
#include "net/io/waker.h"

namespace sluice::io::link {
namespace {

/// The last address of a route's prefix.
Address last_of(const RouteInfo& r) {
  Address a = r.prefix;
  for (size_t bit = r.prefix_bits; bit < 128; ++bit) a.b[bit / 8] |= static_cast<uint8_t>(0x80 >> bit % 8);
  return a;
}

/// Beyond so many addresses everything is asked for anew, which forgets those that nobody sends to.
constexpr size_t kDestinationsMax = 1u << 20;
/// Epochs between two times that every neighbour is forgotten for want of room.
constexpr uint32_t kForgetEvery = 12;

}  // namespace

struct Neighbours::Impl {
  struct Hop {
    uint16_t index = 0;
    bool permanent = false;
  };

  Impl(const NeighbourOptions& o, Announcements a, Resolver r, Resolver on_demand)
      : options(o),
        announcements(std::move(a)),
        resolver(std::move(r)),
        waker(EFD_NONBLOCK),
        demanded(std::move(on_demand)) {}

  // The thread's.
  void run();
  void sleep();
  void read_announcements();
  void announced(uint16_t type, Bytes body, bool& invalid);
  void neighbour_announced(Bytes body, bool removed);
  bool concerns(const RouteInfo& route) const;
  bool serve();
  bool ways_are_old() const;
  void renew_ways();
  std::vector<KnownRoute> known_routes();
  HopRef reference(const Way& way, const Hop& hop) const;
  PathAnswer answer(const PathQuery& query);
  const Hop* hop_for(uint32_t ifindex, const Address& next_hop);
  void set(Hop& hop, const std::optional<NeighbourInfo>& info);
  void invalidate();
  void forget_hops();
  void tick();

  const NeighbourOptions options;
  Announcements announcements;
  Resolver resolver;
  std::map<std::pair<uint32_t, Address>, Hop> hops_by_address;
  uint16_t tag = 0;
  uint32_t forgotten_in = 0;       // epoch
  std::set<Address> destinations;  // asked for in this generation
  std::set<Address> sources;
  Ways ways;  // as published last
  bool tables_changed = true;
  Micros tables_at{};  // not read before, where they were not simple enough or could not be read
  Micros next_tick;

  HopTable hops;
  Waker waker;
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> queries{0};
  std::atomic<uint64_t> invalidations{0};
  std::atomic<uint64_t> moves{0};
  std::mutex shards_mutex;
  std::vector<std::unique_ptr<ShardPaths>> shards;
  std::mutex demanded_mutex;
  Resolver demanded;
  std::thread thread;
};

std::expected<std::unique_ptr<Neighbours>, IoError> Neighbours::make(const NeighbourOptions& options) {
  if (const auto writer = FrameWriter::open(); !writer) return std::unexpected(writer.error());
  auto announcements = Announcements::open();
  if (!announcements) return std::unexpected(announcements.error());
  auto resolver = Resolver::open();
  if (!resolver) return std::unexpected(resolver.error());
  auto on_demand = Resolver::open();
  if (!on_demand) return std::unexpected(on_demand.error());
  auto impl =
      std::make_unique<Impl>(options, std::move(*announcements), std::move(*resolver), std::move(*on_demand));
  if (!impl->waker.ok())
    return std::unexpected(
        IoError{"no eventfd for the neighbours' thread", "raise the limit of open files (ulimit -n)"});
  Impl& i = *impl;
  i.next_tick = monotonic_now() + options.revalidate_every;
  i.thread = std::thread([&i] { i.run(); });
  return std::unique_ptr<Neighbours>(new Neighbours(std::move(impl)));
}

Neighbours::Neighbours(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Neighbours::~Neighbours() {
  impl_->stop = true;
  impl_->waker.wake();
  impl_->thread.join();
}

std::expected<Path, IoError> Neighbours::look_up(const Address& source, const Address& destination) {
  const std::lock_guard lock(impl_->demanded_mutex);
  Resolver& r = impl_->demanded;
  r.forget();
  const auto way = r.way(source, destination);
  if (!way)
    return std::unexpected(
        IoError{std::string("no frames can be sent there: ") + way.error(), "send by a socket"});
  const auto neighbour = r.neighbour(way->ifindex, way->next_hop);
  if (!neighbour)
    return std::unexpected(IoError{"no frames can be sent there: the neighbour is not resolved",
                                   "send something there by a socket first"});
  return Path{.ifindex = way->ifindex,
              .source = way->source,
              .destination = *neighbour->mac,
              .mtu = way->mtu,
              .hop_limit = way->hop_limit};
}

NeighbourCounters Neighbours::counters() const {
  return {.queries = impl_->queries.load(std::memory_order_relaxed),
          .invalidations = impl_->invalidations.load(std::memory_order_relaxed),
          .neighbour_moves = impl_->moves.load(std::memory_order_relaxed)};
}

ShardPaths& Neighbours::attach() {
  const std::lock_guard lock(impl_->shards_mutex);
  auto& paths = *impl_->shards.emplace_back(std::make_unique<ShardPaths>(impl_->hops, impl_->waker));
  impl_->waker.wake();
  return paths;
}

void Neighbours::detach(ShardPaths& paths) {
  const std::lock_guard lock(impl_->shards_mutex);
  std::erase_if(impl_->shards, [&](const auto& p) { return p.get() == &paths; });
}

void Neighbours::Impl::run() {
  ::pthread_setname_np(::pthread_self(), "sluice-link");
  while (!stop.load()) {
    read_announcements();
    if (ways_are_old()) renew_ways();
    const bool busy = serve();
    tick();
    if (!busy && waker.may_sleep()) sleep();
  }
}

void Neighbours::Impl::sleep() {
  const Micros left = std::max(next_tick - monotonic_now(), Micros{});
  const timespec timeout = to_timespec(left);
  pollfd p[] = {{.fd = announcements.fd(), .events = POLLIN, .revents = 0},
                {.fd = waker.fd(), .events = POLLIN, .revents = 0}};
  ::ppoll(p, std::size(p), &timeout, nullptr);
  waker.awake();
  uint64_t count;
  [[maybe_unused]] const auto got = ::read(waker.fd(), &count, sizeof count);
}

void Neighbours::Impl::read_announcements() {
  bool invalid = false;
  const auto result = announcements.read([&](uint16_t type, Bytes body) { announced(type, body, invalid); });
  if (result == Announcements::Read::lost) {
    tables_changed = true;
    resolver.forget();
    forget_hops();
  } else if (invalid) {
    invalidate();
  }
}

void Neighbours::Impl::announced(uint16_t type, Bytes body, bool& invalid) {
  if (type == RTM_NEWNEIGH || type == RTM_DELNEIGH) return neighbour_announced(body, type == RTM_DELNEIGH);
  tables_changed = true;
  switch (type) {
    case RTM_NEWLINK:
    case RTM_DELLINK:
      if (const auto l = parse_link(body)) invalid |= resolver.changed(*l, type == RTM_DELLINK);
      return;
    case RTM_NEWROUTE:
    case RTM_DELROUTE:
      if (const auto r = parse_route(body)) invalid |= concerns(*r);
      return;
    case RTM_DELADDR:
      if (const auto a = parse_address_message(body)) invalid |= sources.contains(*a);
      return;
    case RTM_NEWADDR:  // brings a route
      return;
    default:  // rules, nexthops
      invalid = true;
  }
}

void Neighbours::Impl::neighbour_announced(Bytes body, bool removed) {
  const auto n = parse_neighbour(body);
  if (!n) return;
  const auto at = hops_by_address.find({n->ifindex, n->address});
  if (at == hops_by_address.end()) return;
  set(at->second, removed || !n->usable() ? std::nullopt : n);
}

/// Whether a packet to an address in use might go another way now, or a source becomes or ceases to be ours.
bool Neighbours::Impl::concerns(const RouteInfo& route) const {
  const Address last = last_of(route);
  const auto covers_one = [&](const std::set<Address>& of) {
    const auto at = of.lower_bound(route.prefix);
    return at != of.end() && *at <= last;
  };
  return covers_one(destinations) || (route.type == RTN_LOCAL && covers_one(sources));
}

/// Answers queries; true if there were any.
bool Neighbours::Impl::serve() {
  const std::lock_guard lock(shards_mutex);
  bool any = false;
  for (const auto& s : shards) {
    if (s->owed_ways) s->owed_ways = !s->ways.try_push(ways);
    PathQuery q;
    // Answers that nobody has taken yet stop the queries behind them.
    while (s->answers.size_approx() < ShardPaths::kRing && s->queries.try_pop(q)) {
      queries.fetch_add(1, std::memory_order_relaxed);
      s->answers.try_push(answer(q));
      any = true;
    }
  }
  return any;
}

PathAnswer Neighbours::Impl::answer(const PathQuery& query) {
  if (destinations.size() >= kDestinationsMax) invalidate();
  PathAnswer a{.query = query, .generation = hops.generation.load(std::memory_order_relaxed), .to = {}};
  // First, so that no change from now on goes unnoticed.
  destinations.insert(query.destination);
  sources.insert(query.source);
  const auto way = resolver.way(query.source, query.destination);
  if (!way) return a;
  const Hop* hop = hop_for(way->ifindex, way->next_hop);
  if (!hop) return a;
  a.suited = true;
  a.to = reference(*way, *hop);
  return a;
}

HopRef Neighbours::Impl::reference(const Way& way, const Hop& hop) const {
  return {.ifindex = way.ifindex,
          .source_mac = way.source,
          .hop = hop.index,
          .tag = tag,
          .mtu = way.mtu,
          .hop_limit = way.hop_limit};
}

bool Neighbours::Impl::ways_are_old() const {
  if (ways.n == 0) return tables_changed && monotonic_now() >= tables_at;
  return tables_changed || ways.generation != hops.generation.load(std::memory_order_relaxed);
}

/// Paths that were taken from the ways before are asked for anew if they might lead elsewhere now.
void Neighbours::Impl::renew_ways() {
  tables_changed = false;
  const auto generation = [this] { return hops.generation.load(std::memory_order_relaxed); };
  const uint32_t read_in = generation();
  const std::vector<KnownRoute> now = known_routes();
  // For want of room hop_for() forgets what the first of them refer to. Then they are old at once.
  const bool all_refer = generation() == read_in;
  if (may_mislead(ways.all(), now)) invalidate();
  ways.generation = all_refer ? generation() : read_in;
  ways.n = static_cast<uint16_t>(now.size());
  std::ranges::copy(now, ways.routes.begin());
  const std::lock_guard lock(shards_mutex);
  for (const auto& s : shards) s->owed_ways = true;
}

std::vector<KnownRoute> Neighbours::Impl::known_routes() {
  std::vector<KnownRoute> known;
  const auto rows = read_tables(Ways::kMax);
  if (!rows) {
    tables_changed = rows.error() == Unread::failed;
    tables_at = monotonic_now() + options.revalidate_every;
    return known;
  }
  for (const TableRow& row : *rows) {
    const RouteInfo& r = row.route;
    KnownRoute k{.prefix = r.prefix, .bits = r.prefix_bits, .kind = row.kind, .hop = {}};
    if (k.kind == KnownRoute::Kind::gateway) {
      const auto way = resolver.way_by(r, r.prefix.is_v4());
      const Hop* hop = way ? hop_for(way->ifindex, way->next_hop) : nullptr;
      if (hop) k.hop = reference(*way, *hop);
      if (!hop) k.kind = KnownRoute::Kind::ask;
    }
    known.push_back(k);
  }
  return known;
}

/// nullptr: there is no room for another one.
const Neighbours::Impl::Hop* Neighbours::Impl::hop_for(uint32_t ifindex, const Address& next_hop) {
  if (hops_by_address.size() == kHops && !hops_by_address.contains({ifindex, next_hop})) {
    // All are asked for anew, but not so often that nobody is ever known.
    const uint32_t epoch = hops.epoch.load(std::memory_order_relaxed);
    if (epoch - forgotten_in < kForgetEvery) return nullptr;
    forgotten_in = epoch;
    forget_hops();
  }
  const auto index = static_cast<uint16_t>(hops_by_address.size());
  const auto [at, added] = hops_by_address.try_emplace({ifindex, next_hop}, Hop{.index = index});
  if (added) set(at->second, resolver.neighbour(ifindex, next_hop));
  return &at->second;
}

void Neighbours::Impl::set(Hop& hop, const std::optional<NeighbourInfo>& info) {
  std::atomic<uint64_t>& word = hops.word[hop.index];
  const HopState was = unpack(word.load(std::memory_order_relaxed));
  HopState now{.usable = info.has_value(), .tag = tag};
  if (info) now.mac = *info->mac;
  hop.permanent = info && (info->state & NUD_PERMANENT);
  if (was.tag == now.tag && was.usable == now.usable && was.mac == now.mac) return;
  word.store(pack(now), std::memory_order_relaxed);
  moves.fetch_add(1, std::memory_order_relaxed);
}

void Neighbours::Impl::invalidate() {
  uint32_t next = hops.generation.load(std::memory_order_relaxed) + 1;
  if (next == 0) next = 1;
  hops.generation.store(next, std::memory_order_release);
  invalidations.fetch_add(1, std::memory_order_relaxed);
  destinations.clear();
  sources.clear();
  resolver.forget_sources();
}

/// Words of old are told from new ones by their tag.
void Neighbours::Impl::forget_hops() {
  tag = (tag + 1) & kHopTagMask;
  for (auto& w : hops.word) w.store(pack({.tag = tag}), std::memory_order_relaxed);
  hops_by_address.clear();
  invalidate();
}

/// Has every neighbour but the permanent ones looked after by the kernel again.
void Neighbours::Impl::tick() {
  const Micros now = monotonic_now();
  if (now < next_tick) return;
  next_tick = now + options.revalidate_every;
  uint32_t epoch = hops.epoch.load(std::memory_order_relaxed) + 1;
  if (epoch == 0) epoch = 1;
  hops.epoch.store(epoch, std::memory_order_relaxed);
  for (const auto& [address, hop] : hops_by_address) {
    std::atomic<uint64_t>& word = hops.word[hop.index];
    if (!hop.permanent && (word.load(std::memory_order_relaxed) & kHopUsable))
      word.fetch_or(kHopValidate, std::memory_order_relaxed);
  }
}

}  // namespace sluice::io::link
