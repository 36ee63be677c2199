// What TURN costs without its system calls: allocations by the two-request flow, and channel data each way
// with few and with many allocations.
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "net/crypto/hmac.h"
#include "net/crypto/random.h"
#include "net/stun/builder.h"
#include "net/turn/server.h"

using namespace sluice;
using stun::Attr;
using stun::Method;

namespace {

constexpr std::string_view kRealm = "sluice", kUser = "alice", kPassword = "wonderland";
const std::array<Address, 2> kRelays{Address::v4(198, 51, 100, 1), Address::v4(198, 51, 100, 2)};
const Endpoint kListen{kRelays[0], 3478};
const Address kPeer = Address::v4(203, 0, 113, 9);

turn::ClientKey client(uint32_t i) {
  return {{Address::v4(0x0B000000U + i / 50'000), static_cast<uint16_t>(1024 + i % 50'000)}, kListen, 1};
}

// A stack of free ports, each open.
struct Ports {
  std::vector<Endpoint> free;
  Ports() {
    for (const Address& a : kRelays)
      for (uint32_t p = 65535; p >= 10'000; --p) free.push_back({a, static_cast<uint16_t>(p)});
  }
  turn::PortSource source() {
    return {this,
            [](void* self, turn::Family, turn::PortWish) -> std::optional<Endpoint> {
              auto& f = static_cast<Ports*>(self)->free;
              const Endpoint e = f.back();
              return f.pop_back(), e;
            },
            [](void* self, const Endpoint& e) { static_cast<Ports*>(self)->free.push_back(e); }};
  }
};

struct Bench {
  struct Free {
    void operator()(std::byte* p) const { ::operator delete[](p, std::align_val_t{64}); }
  };

  explicit Bench(uint32_t n, bool with_secret) {
    config.limits = {.allocations = n, .peer_nodes = n / 4, .port_lo = 10'000, .port_hi = 65535};
    config.limits.admission_lines = 0;
    config.realm = kRealm;
    config.relay_addresses = kRelays;
    config.crypto = crypto::kPrimitives;
    config.random = random.view();
    const size_t bytes = turn::Server::bytes_for(config.limits);
    memory.reset(static_cast<std::byte*>(::operator new[](bytes, std::align_val_t{64})));
    std::fill_n(memory.get(), bytes, std::byte{0});
    server = std::make_unique<turn::Server>(config, std::span(memory.get(), bytes), now);
    users = {*turn::make_user(crypto::kPrimitives, kUser, kRealm, kPassword)};
    turn::Credentials c;
    if (with_secret)
      c.secrets[0] = as_bytes("secret");
    else
      c.users = users;
    server->set_credentials(c);
    server->set_unix_time(now, 1'700'000'000);
    name = with_secret ? "1800000000:alice" : std::string(kUser);
    std::string password(kPassword);
    if (with_secret) {
      const auto p = turn::rest_password(crypto::kPrimitives, as_bytes("secret"), name);
      password.assign(p.data(), p.size());
    }
    key = turn::long_term_key(crypto::kPrimitives, turn::PasswordAlgorithm::md5, name, kRealm, password);
  }

  turn::Result request(uint32_t i, uint32_t allocation, Bytes message) {
    const auto view = stun::View::parse(message);
    return server->on_request(client(i), allocation, *view, now, ports.source(), reply);
  }

  static Bytes plain(MutBytes out, uint64_t tid) {
    stun::TransactionId t{};
    store_be<uint64_t>(t.data(), tid);
    stun::Builder b(out, stun::Class::request, Method::allocate, t);
    b.u32(Attr::requested_transport, 17U << 24);
    return b.message();
  }

  Bytes authentic(MutBytes out, Method method, uint64_t tid, Bytes nonce, uint32_t peer_port = 0) const {
    stun::TransactionId t{};
    store_be<uint64_t>(t.data(), tid);
    stun::Builder b(out, stun::Class::request, method, t);
    if (method == Method::allocate) b.u32(Attr::requested_transport, 17U << 24);
    if (method == Method::channel_bind) {
      b.u32(Attr::channel_number, 0x4000'0000);
      b.xor_address(Attr::xor_peer_address, {kPeer, static_cast<uint16_t>(peer_port)});
    }
    b.attribute(Attr::username, as_bytes(name));
    b.attribute(Attr::realm, as_bytes(kRealm));
    b.attribute(Attr::nonce, nonce);
    b.integrity(stun::Integrity::sha1, crypto::kPrimitives, key.bytes());
    return b.message();
  }

  std::vector<uint8_t> challenge(uint32_t i) {
    const auto r = request(i, turn::kNoAllocation, plain(memory_of_request, i));
    const auto v = stun::View::parse(Bytes(reply).first(r.reply));
    const Bytes nonce = v->find(Attr::nonce).value();
    return {nonce.begin(), nonce.end()};
  }

  void fill(uint32_t n) {
    std::vector<uint8_t> nonce;
    for (uint32_t i = 0; i < n; ++i) {
      if (i % 50'000 == 0) nonce = challenge(i);
      const auto made =
          request(i, turn::kNoAllocation, authentic(memory_of_request, Method::allocate, i, nonce));
      allocations.push_back(made.allocation);
      relay.push_back(server->info(made.allocation, now)->relays[0]);
      (void)request(i, made.allocation, authentic(memory_of_request, Method::channel_bind, i, nonce, 7000));
    }
  }

  crypto::StreamRandom random{uint64_t{1}};
  turn::Config config;
  Ports ports;
  Micros now = seconds(1000);
  std::unique_ptr<std::byte[], Free> memory;
  std::unique_ptr<turn::Server> server;
  std::vector<turn::User> users;
  std::string name;
  turn::AuthKey key;
  std::array<uint8_t, 512> memory_of_request;
  std::array<uint8_t, turn::kMaxReply> reply;
  std::vector<uint32_t> allocations;
  std::vector<Endpoint> relay;
};

// The requests are built beforehand: what is measured is the server.
void allocate(benchmark::State& state, bool with_secret) {
  constexpr uint32_t kRound = 10'000;
  Bench b(kRound, with_secret);
  std::vector<std::vector<uint8_t>> first, second;
  const auto nonce = b.challenge(0);
  for (uint32_t i = 0; i < kRound; ++i) {
    const Bytes p = Bench::plain(b.memory_of_request, i);
    first.emplace_back(p.begin(), p.end());
    const Bytes a = b.authentic(b.memory_of_request, Method::allocate, uint64_t{i} << 32, nonce);
    second.emplace_back(a.begin(), a.end());
  }
  uint32_t i = 0;
  for (auto _ : state) {
    if (b.request(i, turn::kNoAllocation, first[i]).reply == 0) return state.SkipWithError("no challenge");
    const auto made = b.request(i, turn::kNoAllocation, second[i]);
    if (made.event != turn::Event::created) return state.SkipWithError("not created");
    if (++i < kRound) continue;
    state.PauseTiming();
    b.server->close_all(b.ports.source());
    i = 0;
    state.ResumeTiming();
  }
  state.SetItemsProcessed(state.iterations());
}
void allocate_static_user(benchmark::State& state) { allocate(state, false); }
void allocate_time_limited(benchmark::State& state) { allocate(state, true); }

void challenge(benchmark::State& state) {
  Bench b(16, false);
  const Bytes m = Bench::plain(b.memory_of_request, 1);
  for (auto _ : state) benchmark::DoNotOptimize(b.request(1, turn::kNoAllocation, m));
}

void refused_after_nonce(benchmark::State& state) {
  Bench b(16, false);
  const auto nonce = b.challenge(1);
  b.key.b[0] ^= 1;
  const Bytes m = b.authentic(b.memory_of_request, Method::allocate, 1, nonce);
  for (auto _ : state) benchmark::DoNotOptimize(b.request(1, turn::kNoAllocation, m));
}

void refresh(benchmark::State& state) {
  Bench b(16, true);
  const auto nonce = b.challenge(1);
  const auto made =
      b.request(1, turn::kNoAllocation, b.authentic(b.memory_of_request, Method::allocate, 1, nonce));
  const Bytes m = b.authentic(b.memory_of_request, Method::refresh, 2, nonce);
  for (auto _ : state) benchmark::DoNotOptimize(b.request(1, made.allocation, m));
}

constexpr size_t kBatch = 64, kVoice = 172;

// Every flow once in an order that no cache foresees, in batches as the shard has them.
std::vector<uint32_t> shuffled(uint32_t n) {
  std::vector<uint32_t> order(n);
  std::iota(order.begin(), order.end(), 0U);
  uint64_t seed = 1;
  for (uint32_t i = n; i > 1; --i) {
    seed = seed * 6364136223846793005 + 1442695040888963407;
    std::swap(order[i - 1], order[(seed >> 33) % i]);
  }
  return order;
}

void channel_to_peer(benchmark::State& state) {
  const auto n = static_cast<uint32_t>(state.range(0));
  Bench b(n, false);
  b.fill(n);
  const auto order = shuffled(n);
  std::array<uint8_t, 4 + kVoice> message{0x40, 0, 0, kVoice};
  size_t at = 0;
  for (auto _ : state) {
    if (at + kBatch > n) at = 0;
    for (size_t k = 0; k < kBatch; ++k) b.server->prefetch(b.allocations[order[at + k]]);
    for (size_t k = 0; k < kBatch; ++k) {
      const uint32_t i = order[at + k];
      const auto to = b.server->from_client(client(i), b.allocations[i], message, b.now);
      if (to.drop != Drop::none) return state.SkipWithError("dropped");
    }
    at += kBatch;
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kBatch));
}

void peer_to_channel(benchmark::State& state) {
  const auto n = static_cast<uint32_t>(state.range(0));
  Bench b(n, false);
  b.fill(n);
  const auto order = shuffled(n);
  std::array<uint8_t, turn::kMaxPrepend + kVoice + turn::kMaxAppend> slot{};
  const MutBytes payload = MutBytes(slot).subspan(turn::kMaxPrepend, kVoice);
  size_t at = 0;
  for (auto _ : state) {
    if (at + kBatch > n) at = 0;
    for (size_t k = 0; k < kBatch; ++k) b.server->prefetch_relay(b.relay[order[at + k]]);
    for (size_t k = 0; k < kBatch; ++k) b.server->prefetch_owner(b.relay[order[at + k]]);
    for (size_t k = 0; k < kBatch; ++k) {
      const auto to = b.server->from_peer(b.relay[order[at + k]], {kPeer, 7000}, payload, b.now);
      if (to.drop != Drop::none || to.before != 4) return state.SkipWithError("dropped");
    }
    at += kBatch;
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kBatch));
}

void memory(benchmark::State& state) {
  turn::Limits l{.allocations = 100'000, .peer_nodes = 25'000, .port_lo = 10'000, .port_hi = 65535};
  for (auto _ : state) benchmark::DoNotOptimize(l);
  state.counters["bytes_each"] = static_cast<double>(turn::Server::bytes_for(l)) / l.allocations;
}

BENCHMARK(allocate_static_user);
BENCHMARK(allocate_time_limited);
BENCHMARK(challenge);
BENCHMARK(refused_after_nonce);
BENCHMARK(refresh);
BENCHMARK(channel_to_peer)->Arg(1000)->Arg(100'000);
BENCHMARK(peer_to_channel)->Arg(1000)->Arg(100'000);
BENCHMARK(memory)->Iterations(1);

}  // namespace

BENCHMARK_MAIN();
