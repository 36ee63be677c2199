#include "engine/runner.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <optional>
#include <system_error>
#include <thread>

#include <fmt/format.h>
#include <pthread.h>
#include <sched.h>

#include "engine/shard/shard.h"
#include "engine/shard/static_memory.h"
#include "engine/sluice.h"

namespace sluice::engine {
namespace {

void pin(int core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<size_t>(core), &set);
  // A container may refuse; the shard then runs wherever the kernel puts it.
  pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

bool parse_int(std::string_view s, int& out) {
  const auto [end, ec] = std::from_chars(s.data(), s.data() + s.size(), out);
  return ec == std::errc{} && end == s.data() + s.size() && !s.empty();
}

}  // namespace

std::expected<std::unique_ptr<Runner>, std::string> Runner::start(Engine& engine,
                                                                  const std::vector<int>& cores,
                                                                  slow::Wake control,
                                                                  slow::StreamWorker* streams) {
  std::unique_ptr<Runner> r(new Runner(engine));
  auto handshakes = slow::HandshakeThread::start(engine.worker());
  if (!handshakes) return std::unexpected(handshakes.error());
  r->handshakes_ = std::move(*handshakes);
  if (streams != nullptr) {
    auto thread = slow::StreamThread::start(*streams);
    if (!thread) return std::unexpected(thread.error());
    r->streams_ = std::move(*thread);
  }
  engine.set_bells(control, r->handshakes_->waker(), streams != nullptr ? streams->waker() : slow::Wake{});
  for (size_t i = 0; i < engine.shard_count(); ++i)
    r->threads_.emplace_back([raw = r.get(), i, core = cores[i % cores.size()]] { raw->run_shard(i, core); });
  return r;
}

std::expected<void, Failure> Runner::prefault(Engine& engine, const std::vector<int>& cores) {
  for (size_t i = 0; i < engine.shard_count(); ++i) {
    const Arena& arena = engine.shard(i).core().arena;
    int error = 0;
    std::thread([&, core = cores[i % cores.size()]] {
      pin(core);
      if (!arena.populate()) error = errno;
    }).join();
    if (error == 0) continue;
    const bool old = error == EINVAL;
    return std::unexpected(Failure{
        SLUICE_E_IO, "prefault",
        fmt::format("{} MiB for shard {}: {}", arena.size() >> 20, i, std::generic_category().message(error)),
        old ? "leave it off: it needs Linux 5.14" : "lower max_sessions, max_flows or max_allocations"});
  }
  return {};
}

Runner::~Runner() {
  stop_.store(true, std::memory_order_release);
  // Not wake(): a shard that has looked at `stop_` and is about to sleep would not be rung for.
  for (size_t i = 0; i < threads_.size(); ++i) engine_.shard(i).interrupt();
  for (std::thread& t : threads_) t.join();
  // Shards ring the workers' bells, so they go last.
  handshakes_.reset();
  streams_.reset();
}

void Runner::run_shard(size_t i, int core) {
  pthread_setname_np(pthread_self(), fmt::format("shard-{}", i).c_str());
  pin(core);
  Shard& shard = engine_.shard(i);
  // The first turn may still open what must be opened on this very thread (io_uring).
  shard.run_once();
  std::optional<ForbidAllocation> forbid;
  if (shard.core().cipher->allocation_free()) forbid.emplace();
  while (!stop_.load(std::memory_order_acquire)) shard.run_once();
}

std::vector<int> allowed_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> cores;
  if (sched_getaffinity(0, sizeof set, &set) == 0)
    for (int i = 0; i < CPU_SETSIZE; ++i)
      if (CPU_ISSET(static_cast<size_t>(i), &set)) cores.push_back(i);
  if (cores.empty()) cores.push_back(0);
  return cores;
}

std::expected<std::vector<int>, std::string> parse_cores(std::string_view text,
                                                         const std::vector<int>& allowed) {
  std::vector<int> out;
  while (!text.empty()) {
    const size_t comma = text.find(',');
    const std::string_view part = text.substr(0, comma);
    const size_t dash = part.find('-');
    int lo = 0, hi = 0;
    if (!parse_int(part.substr(0, dash), lo))
      return std::unexpected(fmt::format("\"{}\" is no core or range", part));
    hi = lo;
    if (dash != std::string_view::npos && (!parse_int(part.substr(dash + 1), hi) || hi < lo))
      return std::unexpected(fmt::format("\"{}\" is no range of cores", part));
    for (int core = lo; core <= hi; ++core) {
      if (std::ranges::find(allowed, core) == allowed.end())
        return std::unexpected(fmt::format("core {} is not one this process may use", core));
      if (std::ranges::find(out, core) == out.end()) out.push_back(core);
    }
    text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
  }
  if (out.empty()) return std::unexpected(std::string("the list is empty"));
  return out;
}

}  // namespace sluice::engine
