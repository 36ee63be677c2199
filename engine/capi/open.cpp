#include <algorithm>
#include <ctime>

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "engine/capi/handle.h"
#include "engine/capi/relay_io.h"
#include "engine/capi/streams.h"
#include "engine/shard/shard.h"
#include "net/crypto/random.h"

using namespace sluice;
using engine::Failure;

namespace sluice::capi {

Micros monotonic_now() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return Micros{static_cast<int64_t>(t.tv_sec) * 1'000'000 + t.tv_nsec / 1000};
}

int64_t unix_now_us() {
  timespec t{};
  clock_gettime(CLOCK_REALTIME, &t);
  return static_cast<int64_t>(t.tv_sec) * 1'000'000 + t.tv_nsec / 1000;
}

namespace {

void ring(void* fd) {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t n = ::write(static_cast<io::Fd*>(fd)->get(), &one, sizeof one);
}

/// A restart right after a crash finds its port held by what the kernel has not yet put away.
constexpr uint32_t kBindPatienceMs = 1000;
/// What sluice_close() grants goodbyes.
constexpr Micros kGoodbye = millis(500);

/// Entries of the steering map: only sessions whose client hashes to another shard than their owner need one.
constexpr uint32_t kSteeringEntries = 65536;

std::expected<dtls::Context, Failure> make_dtls(const ParsedConfig& c) {
  auto identity = c.cert_file.empty() ? dtls::Identity::generate(unix_now_us() / 1'000'000)
                                      : dtls::Identity::load(c.cert_file, c.key_file);
  if (!identity)
    return std::unexpected(
        Failure{SLUICE_E_IO, "dtls_cert_file", identity.error().message, identity.error().fix});
  auto context = dtls::Context::make(*identity);
  if (!context)
    return std::unexpected(Failure{SLUICE_E_IO, "dtls", context.error().message, context.error().fix});
  return std::move(*context);
}

void add_unique(std::vector<Endpoint>& list, const Endpoint& e) {
  if (std::ranges::find(list, e) == list.end()) list.push_back(e);
}

std::vector<Address> first_of_each_family(const std::vector<Address>& addresses) {
  std::vector<Address> out;
  for (const Address& a : addresses)
    if (std::ranges::find(out, a.is_v4(), &Address::is_v4) == out.end()) out.push_back(a);
  return out;
}

/// What a wildcard stands for: the host's addresses of the families it serves; loopback only if there is no
/// other.
std::vector<Address> host_addresses(const io::ListenSockets& sockets) {
  std::vector<Address> addresses, loopback;
  const auto local = io::local_addresses();
  if (!local) return {Address::v4(127, 0, 0, 1)};
  for (const io::LocalAddress& a : *local) {
    if (a.addr.is_v4() ? !sockets.serves_ipv4() : !sockets.serves_ipv6()) continue;
    (a.loopback ? loopback : addresses).push_back(a.addr);
  }
  return addresses.empty() ? loopback : addresses;
}

/// How clients reach what is bound. A public port is a UDP port, of a relay that passes on nothing else.
std::vector<Endpoint> candidates(const ParsedConfig& c, const io::ListenSockets& sockets,
                                 std::span<const Endpoint> bound, bool udp) {
  std::vector<Endpoint> out;
  for (const Endpoint& p : c.public_addresses) {
    if (p.port != 0 && udp) add_unique(out, p);
    for (const Endpoint& e : bound)
      if (p.port == 0) add_unique(out, {p.addr, e.port});
  }
  if (!c.public_addresses.empty()) return out;
  const std::vector<Address> host = host_addresses(sockets);
  for (const Endpoint& e : bound) {
    if (!e.addr.is_unspecified()) add_unique(out, e);
    for (const Address& a : host)
      if (e.addr.is_unspecified()) add_unique(out, {a, e.port});
  }
  return out;
}

/// What TURN must know of its surroundings: this host's addresses, and the endpoints that are this process's.
void survey_host(const std::vector<Endpoint>& public_addresses, const io::ListenSockets& sockets,
                 engine::relay::TurnConfig& turn) {
  for (const io::LocalAddress& a : io::local_addresses().value_or(std::vector<io::LocalAddress>{}))
    turn.host.push_back(a.addr);
  for (const Endpoint& e : sockets.bound()) {
    if (!e.addr.is_unspecified()) add_unique(turn.here, e);
    for (const Address& a : turn.host)
      if (e.addr.is_unspecified()) add_unique(turn.here, {a, e.port});
    // Behind a NAT that maps whole addresses it is known by others.
    for (const Endpoint& p : public_addresses)
      if (p.port == 0) add_unique(turn.here, {p.addr, e.port});
  }
}

std::expected<void, Failure> open_sockets(ParsedConfig& c, sluice_engine& e) {
  io::SocketOptions options;
  options.shards = c.engine.shards;
  options.bind_patience_ms = kBindPatienceMs;
  if (c.engine.relay.on || c.engine.turn.on) options.reserved = c.engine.relay.ports;
  auto sockets = io::ListenSockets::open(c.listen, options);
  if (!sockets)
    return std::unexpected(Failure{SLUICE_E_IO, "listen", sockets.error().message, sockets.error().fix});
  e.sockets = std::move(*sockets);
  for (const std::string& note : e.sockets.notes()) e.say(1, note);
  if (auto ok = open_trunk_sockets(c, options, e); !ok) return ok;
  e.event_fd = io::Fd(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!e.event_fd)
    return std::unexpected(
        Failure{SLUICE_E_IO, "", "no eventfd is to be had", "raise the limit of open files"});
  return {};
}

/// One shard needs no steering; several do without it by handing packets over, at the price of a ring hop.
void attach_steering(sluice_engine& e) {
  if (e.sockets.shards() < 2) return;
  auto steering = io::Steering::attach(e.sockets, kSteeringEntries);
  if (!steering) {
    const io::IoError& why = steering.error();
    e.say(1, fmt::format("steering: off, moved clients cost a hop between shards ({}{}{})", why.message,
                         why.fix.empty() ? "" : "; ", why.fix));
    return;
  }
  e.steering = std::move(*steering);
  e.say(1, "steering: on (eBPF)");
}

std::expected<void, Failure> make_engine(ParsedConfig& c, sluice_engine& e) {
  auto dtls = make_dtls(c);
  if (!dtls) return std::unexpected(dtls.error());
  if (auto ok = open_streams(c, e); !ok) return ok;
  c.engine.candidates = candidates(c, e.sockets, e.sockets.bound(), true);
  c.engine.tcp_candidates = candidates(c, e.sockets, tcp_bound(e), false);
  if (c.engine.turn.on) survey_host(c.public_addresses, e.sockets, c.engine.turn);
  if ((c.engine.relay.on || c.engine.turn.on) && c.engine.relay.addresses.empty())
    c.engine.relay.addresses = first_of_each_family(host_addresses(e.sockets));
  attach_steering(e);
  if (auto ok = make_relay_io(c, e); !ok) return ok;
  const io::Resolved io = io::resolve(c.io);
  e.say(1, io.reason);
  e.io_name = io::name_of(io.kind);
  const auto backend = [&](ShardId id, PacketPool& pool) {
    return io::make_backend(io.kind, sockets_of(e, id.v), pool, backend_options(e, id));
  };
  const Micros now = monotonic_now();
  auto made = engine::Engine::make(c.engine, std::move(*dtls), crypto::system_random(), backend, now,
                                   unix_now_us() - now.us);
  if (!made) return std::unexpected(made.error());
  e.engine = std::move(*made);
  if (auto ok = open_direct(e); !ok) return ok;
  e.say(1, fmt::format("srtp: {}", e.engine->srtp_name()));
  if (e.steering)
    e.engine->set_steer([raw = &e](const Endpoint& remote, const Endpoint& local, ShardId owner) {
      return raw->steering->set(remote, local.port, owner);
    });
  return {};
}

std::expected<void, Failure> open(const sluice_config& config, sluice_engine& e) {
  auto parsed = parse(config);
  if (!parsed) return std::unexpected(parsed.error());
  e.cores = parsed->cores;
  struct Wiped {
    engine::EngineConfig& config;
    ~Wiped() {
      for (auto& key : config.keys) engine::relay::wipe(key);
      engine::relay::wipe(config.turn);
      if (config.trunk.key) crypto::cleanse(*config.trunk.key);
    }
  } const wiped{parsed->engine};
  e.minting_key = parsed->engine.keys.front();
  if (auto ok = open_sockets(*parsed, e); !ok) return ok;
  if (auto ok = make_engine(*parsed, e); !ok) return ok;
  if (auto ok = make_stream_worker(e); !ok) return ok;
  if (parsed->engine.prefault) {
    if (auto ok = engine::Runner::prefault(*e.engine, e.cores); !ok) return ok;
    e.say(1, "memory: all of the packet threads' is there from the start (prefault)");
  }
  auto runner = engine::Runner::start(*e.engine, e.cores, {&ring, &e.event_fd}, e.streams.get());
  if (!runner) return std::unexpected(Failure{SLUICE_E_IO, "", runner.error(), "raise the limit of threads"});
  e.runner = std::move(*runner);
  return {};
}

/// Hangs up whoever is left, so that clients need not find out by silence.
void say_goodbye(sluice_engine& e) {
  const Micros begin = monotonic_now();
  e.engine->drain(begin, begin);
  for (Micros now = begin; now - begin < kGoodbye; now = monotonic_now()) {
    uint64_t rung = 0;
    [[maybe_unused]] const ssize_t n = ::read(e.event_fd.get(), &rung, sizeof rung);
    e.engine->poll(now);
    engine::Event ignored;
    while (e.engine->next_event(ignored)) continue;
    if (e.engine->drained()) return;
    pollfd bell{e.event_fd.get(), POLLIN, 0};
    ::poll(&bell, 1, 10);
  }
}

}  // namespace

void ring_for_events(sluice_engine& e) {
  if (e.engine->has_events()) ring(&e.event_fd);
}

}  // namespace sluice::capi

extern "C" {

const char* sluice_version(void) { return "0.1.0"; }

void sluice_config_init(sluice_config* config) {
  *config = sluice_config{};
  config->size = sizeof *config;
  config->max_sessions = 4096;
  config->max_rooms = 1024;
  config->echo_delay_ms = 500;
  config->max_flows = 65536;
  config->max_routes = 65536;
  config->max_servers = 1024;
  config->flow_idle_s = 60;
  config->max_allocations = 16384;
  config->max_streams = 4096;
}

sluice_code sluice_open(const sluice_config* config, sluice_engine** out, sluice_error* err) {
  *out = nullptr;
  return capi::guarded(err, [&] {
    if (const auto ok = capi::check_size("size", config->size); !ok) return capi::report(err, ok.error());
    sluice_config defaults;
    sluice_config_init(&defaults);
    const sluice_config full = capi::take_in(*config, defaults);
    auto e = std::make_unique<sluice_engine>();
    e->log = full.log;
    e->log_user = full.log_user;
    if (auto ok = capi::open(full, *e); !ok) return capi::report(err, ok.error());
    *out = e.release();
    return SLUICE_OK;
  });
}

void sluice_close(sluice_engine* e) {
  if (e == nullptr) return;
  (void)capi::guarded(nullptr, [&] {
    capi::say_goodbye(*e);
    return SLUICE_OK;
  });
  e->runner.reset();
  delete e;
}

size_t sluice_listening(const sluice_engine* e, char (*out)[56], size_t cap) {
  const auto bound = e->sockets.bound();
  for (size_t i = 0; i < bound.size() && i < cap; ++i) {
    EndpointText text;
    capi::copy_text(out[i], format(bound[i], text));
  }
  return bound.size();
}

size_t sluice_describe(const sluice_engine* e, char* out, size_t cap) {
  const std::string text = e->engine->describe() + e->notes;
  if (cap > 0) capi::copy_text(out, cap, text);
  return text.size();
}

int sluice_event_fd(const sluice_engine* e) { return e->event_fd.get(); }

}  // extern "C"
