// A DTLS handshake's price to the server: CPU beside the bare public-key operations in it, and heap before
// and after the SSL object is freed. The client is OpenSSL over memory and not counted.
#include <cstdlib>
#include <memory>
#include <vector>

#include <benchmark/benchmark.h>
#include <malloc.h>
#include <openssl/ec.h>
#include <openssl/evp.h>

#include "engine/slow/handshake_thread.h"
#include "net/dtls/context.h"
#include "net/dtls/server.h"
#include "tests/unit/dtls/client.h"

namespace {

using namespace sluice;

const dtls::Context& context() {
  static const dtls::Context c = [] {
    const auto identity = dtls::Identity::generate(1'700'000'000);
    return std::move(dtls::Context::make(identity.value()).value());
  }();
  return c;
}

/// CPU microseconds of the server's share.
uint64_t shake_hands(dtls::Server& server, test::Client& client) {
  dtls::Output out;
  uint64_t us = 0;
  client.start();
  while (server.state() == dtls::State::handshaking) {
    for (const auto& d : client.take()) {
      const uint64_t before = slow::thread_cpu_us();
      server.input(d, seconds(1), out);
      us += slow::thread_cpu_us() - before;
    }
    for (size_t i = 0; i < out.size(); ++i) client.input(out[i]);
    out.clear();
  }
  if (server.state() != dtls::State::connected) std::abort();
  return us;
}

void server_handshake(benchmark::State& state) {
  for (auto _ : state) {
    test::Client client;
    dtls::Server server(context(), client.fingerprint());
    uint64_t us = shake_hands(server, client);
    const uint64_t before = slow::thread_cpu_us();
    benchmark::DoNotOptimize(server.export_keys());
    dtls::Output bye;
    server.close(bye);
    us += slow::thread_cpu_us() - before;
    state.SetIterationTime(static_cast<double>(us) * 1e-6);
  }
}
BENCHMARK(server_handshake)->UseManualTime()->Unit(benchmark::kMicrosecond);

struct Free {
  void operator()(EVP_PKEY* p) const { EVP_PKEY_free(p); }
  void operator()(EVP_PKEY_CTX* p) const { EVP_PKEY_CTX_free(p); }
  void operator()(EVP_MD_CTX* p) const { EVP_MD_CTX_free(p); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

/// The floor: what a server must compute per handshake, with nothing around it. One X25519 key and shared
/// secret, one ECDSA P-256 signature made (ServerKeyExchange) and one checked (CertificateVerify).
void bare_public_key_operations(benchmark::State& state) {
  const Owned<EVP_PKEY> p256(EVP_EC_gen("P-256")), peer(EVP_PKEY_Q_keygen(nullptr, nullptr, "X25519"));
  uint8_t message[64] = {1}, signature[128], secret[32];
  for (auto _ : state) {
    const Owned<EVP_PKEY> own(EVP_PKEY_Q_keygen(nullptr, nullptr, "X25519"));
    const Owned<EVP_PKEY_CTX> derive(EVP_PKEY_CTX_new(own.get(), nullptr));
    size_t n = sizeof secret;
    EVP_PKEY_derive_init(derive.get());
    EVP_PKEY_derive_set_peer(derive.get(), peer.get());
    EVP_PKEY_derive(derive.get(), secret, &n);
    const Owned<EVP_MD_CTX> sign(EVP_MD_CTX_new()), verify(EVP_MD_CTX_new());
    size_t length = sizeof signature;
    EVP_DigestSignInit(sign.get(), nullptr, EVP_sha256(), nullptr, p256.get());
    EVP_DigestSign(sign.get(), signature, &length, message, sizeof message);
    EVP_DigestVerifyInit(verify.get(), nullptr, EVP_sha256(), nullptr, p256.get());
    if (EVP_DigestVerify(verify.get(), signature, length, message, sizeof message) != 1) std::abort();
  }
}
BENCHMARK(bare_public_key_operations)->Unit(benchmark::kMicrosecond);

double heap() { return static_cast<double>(::mallinfo2().uordblks); }

/// Bytes of heap per session: in the middle of a handshake, connected, and freed with the last flight kept.
void heap_per_session(benchmark::State& state) {
  constexpr size_t kSessions = 200;
  double waiting = 0, connected = 0, freed = 0;
  for (auto _ : state) {
    std::vector<dtls::Server> servers;
    servers.reserve(kSessions);
    const auto per_session = [base = heap()](double now) { return (now - base) / kSessions; };
    {
      // Clients come and go one at a time, so that their heap is not counted.
      dtls::Output out;
      for (size_t i = 0; i < kSessions; ++i) {
        test::Client client;
        servers.emplace_back(context(), client.fingerprint());
        client.start();
        for (const auto& d : client.take()) servers.back().input(d, seconds(1), out);
        out.clear();
      }
      waiting = per_session(heap());
      servers.clear();
    }
    for (size_t i = 0; i < kSessions; ++i) {
      test::Client client;
      servers.emplace_back(context(), client.fingerprint());
      shake_hands(servers.back(), client);
    }
    connected = per_session(heap());
    for (auto& s : servers) {
      dtls::Output bye;
      s.close(bye);
    }
    freed = per_session(heap());
  }
  state.counters["waiting"] = waiting;
  state.counters["connected"] = connected;
  state.counters["freed"] = freed;
}
BENCHMARK(heap_per_session)->Iterations(2)->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
