// interop_load HTTP_ADDR:PORT SESSIONS SECONDS: so many calls to the echo agent at once, 50 packets a second
// each. Prints one line of JSON; exits 0 if every packet came back once, undamaged and in order.
#include <charconv>
#include <chrono>
#include <cstring>
#include <exception>
#include <memory>
#include <vector>

#include <fmt/format.h>
#include <poll.h>

#include "net/srtp/cipher.h"
#include "tests/interop/load/caller.h"

namespace sluice::load {
namespace {

constexpr int kPacketsPerSecond = 50;
constexpr int64_t kFrameUs = 1'000'000 / kPacketsPerSecond;
constexpr Micros kSetupLimit = seconds(20);
constexpr Micros kQuietLimit = seconds(3);  // longer than the agent's delay

Micros clock_now() {
  const auto t = std::chrono::steady_clock::now().time_since_epoch();
  return {std::chrono::duration_cast<std::chrono::microseconds>(t).count()};
}

class Load {
 public:
  Load(Endpoint http, uint32_t sessions) : http_(http), cipher_(srtp::Cipher::make(srtp::Kind::automatic)) {
    if (!cipher_) throw std::runtime_error(cipher_.error());
    for (uint32_t i = 0; i < sessions; ++i) callers_.push_back(std::make_unique<Caller>(i, **cipher_));
    for (const auto& c : callers_) polled_.push_back({c->fd(), POLLIN, 0});
  }

  void dial() {
    for (const auto& c : callers_) {
      c->dial(http_, "/agent/echo");
      turn();
    }
    const Micros limit = clock_now() + kSetupLimit;
    while (!all_connected()) {
      turn();
      if (clock_now() > limit) throw std::runtime_error("not every session connected in time");
    }
  }

  /// Each caller has its own place within the 20 ms, so that packets do not come in volleys.
  void talk(uint32_t packets) {
    const Micros start = clock_now();
    const auto n = static_cast<int64_t>(callers_.size());
    for (bool more = true; more;) {
      turn();
      more = false;
      const int64_t elapsed = (clock_now() - start).us;
      for (int64_t i = 0; i < n; ++i) {
        Caller& c = *callers_[static_cast<size_t>(i)];
        while (c.sent() < packets && elapsed >= c.sent() * kFrameUs + i * kFrameUs / n) c.send_packet();
        more = more || c.sent() < packets;
      }
    }
  }

  /// Until all is back, or nothing has come for a while.
  void settle() {
    uint64_t last = 0;
    Micros limit = clock_now() + kQuietLimit;
    while (sum(&Caller::returned) < sum(&Caller::sent) && clock_now() < limit) {
      turn();
      if (const uint64_t now = sum(&Caller::returned); now != last) {
        last = now;
        limit = clock_now() + kQuietLimit;
      }
    }
  }

  void hang_up() const {
    for (const auto& c : callers_) c->hang_up(http_);
  }

  uint64_t sum(uint32_t (Caller::*figure)() const) const {
    uint64_t total = 0;
    for (const auto& c : callers_) total += (c.get()->*figure)();
    return total;
  }

 private:
  void turn() {
    poll(polled_.data(), polled_.size(), 1);
    const Micros now = clock_now();
    test::set_virtual_time(now);
    for (size_t i = 0; i < callers_.size(); ++i) {
      if (polled_[i].revents != 0) callers_[i]->readable();
      if (callers_[i]->dialled()) callers_[i]->tick(now);
    }
  }

  bool all_connected() const {
    for (const auto& c : callers_) {
      if (c->failed()) throw std::runtime_error("a DTLS handshake failed");
      if (!c->connected()) return false;
    }
    return true;
  }

  Endpoint http_;
  std::expected<std::unique_ptr<srtp::Cipher>, std::string> cipher_;
  std::vector<std::unique_ptr<Caller>> callers_;
  std::vector<pollfd> polled_;
};

uint32_t number(const char* text) {
  uint32_t n = 0;
  std::from_chars(text, text + std::strlen(text), n);
  return n;
}

int run(const char* http, uint32_t sessions, uint32_t seconds) {
  const auto endpoint = parse_endpoint(http);
  if (!endpoint || sessions == 0 || seconds == 0)
    throw std::runtime_error("usage: interop_load ADDR:PORT SESSIONS SECONDS");
  Load load(*endpoint, sessions);
  load.dial();
  load.talk(seconds * kPacketsPerSecond);
  load.settle();
  load.hang_up();
  const uint64_t sent = load.sum(&Caller::sent), returned = load.sum(&Caller::returned);
  const uint64_t twice = load.sum(&Caller::twice), disorder = load.sum(&Caller::out_of_order);
  const uint64_t damaged = load.sum(&Caller::damaged);
  fmt::print(
      "{{\"event\":\"load\",\"sessions\":{},\"sent\":{},\"returned\":{},\"twice\":{},\"out_of_order\":{},"
      "\"damaged\":{}}}\n",
      sessions, sent, returned, twice, disorder, damaged);
  return sent == returned && twice + disorder + damaged == 0 ? 0 : 1;
}

}  // namespace
}  // namespace sluice::load

int main(int argc, char** argv) {
  try {
    return sluice::load::run(argc > 1 ? argv[1] : "", argc > 2 ? sluice::load::number(argv[2]) : 0,
                             argc > 3 ? sluice::load::number(argv[3]) : 0);
  } catch (const std::exception& e) {
    fmt::print(stderr, "interop_load: {}\n", e.what());
    return 2;
  }
}
