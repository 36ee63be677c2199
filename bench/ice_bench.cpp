// What a binding request costs: forged ones, which a flood consists of, and valid ones with their answer.
#include <vector>

#include <benchmark/benchmark.h>

#include "net/crypto/random.h"
#include "net/ice/admission.h"
#include "net/ice/lite_agent.h"
#include "net/ice/shard_keys.h"

using namespace sluice;

namespace {

constexpr ice::ExpiryUnit kNow = 1000;
constexpr std::string_view kRemoteUfrag = "r3mo", kRemotePassword = "remotePasswordOf24Chars+";

const ice::Keys& keys() {
  static const ice::ShardKeys k = [] {
    ice::ShardKeys made;
    made.add_route_key(1, std::array<uint8_t, 16>{1});
    made.add_ice_key(1, ice::IceKey{2});
    return made;
  }();
  return k.keys();
}

// The attributes that Chromium sends: 120 bytes.
std::vector<uint8_t> check(std::string_view ufrag, uint64_t tid) {
  std::vector<uint8_t> out(256);
  stun::TransactionId id{};
  store_be<uint64_t>(id.data(), tid);
  const ice::Password password = keys().password_of(1, ufrag);
  stun::Builder b(out, stun::Class::request, stun::Method::binding, id);
  b.username(ufrag, kRemoteUfrag);
  b.u32(static_cast<stun::Attr>(0xC057), 0x00010032);
  b.u64(stun::Attr::ice_controlling, 0x0102030405060708);
  b.flag(stun::Attr::use_candidate);
  b.u32(stun::Attr::priority, 0x6e7f1eff);
  b.integrity(stun::Integrity::sha1, crypto::kPrimitives, password.bytes());
  b.fingerprint();
  out.resize(b.size());
  return out;
}

ice::Ufrag ufrag() { return keys().routes.mint({.session_index = 7, .expiry = kNow + 1}, 1); }

void forged_check(benchmark::State& state) {
  ice::Ufrag forged = ufrag();
  forged[9] = forged[9] == 'A' ? 'B' : 'A';
  const auto bytes = check(ice::text(forged), 1);
  for (auto _ : state) {
    auto rq = ice::check_request(bytes, keys(), kNow);
    if (rq) state.SkipWithError("accepted");
    benchmark::DoNotOptimize(rq);
  }
}

void wrong_integrity(benchmark::State& state) {
  auto bytes = check(ice::text(ufrag()), 1);
  bytes.resize(bytes.size() - 8);  // without the fingerprint, which would be wrong as well
  store_be<uint16_t>(&bytes[2], static_cast<uint16_t>(bytes.size() - stun::kHeaderBytes));
  bytes.back() ^= 1;
  for (auto _ : state) {
    auto rq = ice::check_request(bytes, keys(), kNow);
    if (rq || rq.error() != Drop::stun_bad_integrity) state.SkipWithError("not refused");
    benchmark::DoNotOptimize(rq);
  }
}

void valid_check(benchmark::State& state) {
  const auto bytes = check(ice::text(ufrag()), 1);
  for (auto _ : state) {
    auto rq = ice::check_request(bytes, keys(), kNow);
    if (!rq) state.SkipWithError("refused");
    benchmark::DoNotOptimize(rq);
  }
}

void valid_check_and_answer(benchmark::State& state) {
  std::vector<std::vector<uint8_t>> checks;
  for (uint64_t i = 0; i < 64; ++i) checks.push_back(check(ice::text(ufrag()), i << 32));
  crypto::StreamRandom random(uint64_t{1});
  ice::LiteAgent agent(0, kRemoteUfrag.size());
  const ice::PathAddress from{.remote = {Address::v4(192, 0, 2, 1), 1}, .local = {}, .ifindex = 0};
  std::array<uint8_t, ice::kMaxMessageBytes> memory;
  Micros now = seconds(1);
  size_t next = 0;
  for (auto _ : state) {
    const auto rq = ice::check_request(checks[next++ % checks.size()], keys(), kNow);
    if (!rq) return state.SkipWithError("refused");
    const auto actions = agent.check(*rq, from, random.view(), now += micros(1));
    if (!actions.respond) return state.SkipWithError("not answered");
    benchmark::DoNotOptimize(ice::write_success(memory, *rq, from.remote, keys().crypto));
  }
}

void challenge(benchmark::State& state) {
  const ice::Ufrag local = ufrag();
  crypto::StreamRandom random(uint64_t{1});
  std::array<uint8_t, ice::kMaxMessageBytes> memory;
  for (auto _ : state)
    benchmark::DoNotOptimize(ice::write_challenge(memory, random.view().bytes<12>(), kRemoteUfrag,
                                                  ice::text(local), kRemotePassword, keys().crypto));
}

void admission_flood(benchmark::State& state) {
  std::vector<ice::Admission::Line> lines(16384);
  ice::Admission admission(lines, {1, 2}, {});
  uint32_t address = 0;
  Micros now = seconds(1);
  for (auto _ : state)
    benchmark::DoNotOptimize(admission.admit(Address::v4((address++ * 0x9E3779B1U)), 200, now += micros(1)));
}

BENCHMARK(forged_check);
BENCHMARK(wrong_integrity);
BENCHMARK(valid_check);
BENCHMARK(valid_check_and_answer);
BENCHMARK(challenge);
BENCHMARK(admission_flood);

}  // namespace

BENCHMARK_MAIN();
