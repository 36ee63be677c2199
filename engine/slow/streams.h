// The worker that carries datagrams over TCP and TLS (ICE-TCP, TURN), so that no shard ever touches a stream.
// One thread accepts, frames and sends for all; rings join it to the shards.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/slow/stream_admission.h"
#include "engine/slow/stream_listener.h"
#include "engine/slow/stream_messages.h"
#include "engine/slow/stream_tls.h"
#include "engine/slow/wake.h"
#include "net/base/units.h"

namespace sluice::slow {

/// One shard, seen from the worker, which is the consumer of `in` and the producer of `out`. All must outlive
/// it.
struct StreamPort {
  ToStreamRing* in = nullptr;
  FromStreamRing* out = nullptr;
  Wake wake;  ///< called after something was pushed to `out`, once per turn
};

struct StreamLimits {
  uint32_t max_streams = 4096;  ///< 1..StreamId::kMaxStreams
  StreamAdmissionLimits admission;
  size_t send_queue = 64 * 1024;          ///< bytes that may wait for one reader, beside the kernel's
  size_t send_queues = 64 * 1024 * 1024;  ///< and for all of them
  Micros first_message = seconds(10);     ///< from accepting, TLS handshake included
  Micros idle_ice = seconds(60);          ///< RFC 7675 has a client send every few seconds
  Micros idle_turn = seconds(900);  ///< nothing either way; an allocation lives as long without a refresh
};

/// What the worker is to serve.
struct StreamServices {
  bool ice = false;   ///< RFC 4571 framing, on plain listeners
  bool turn = false;  ///< TURN framing
};

#define SLUICE_STREAM_REFUSALS(X) X(full) X(address) X(rate) X(files)
#define SLUICE_STREAM_ENDS(X) X(peer) X(shard) X(silent) X(idle) X(malformed) X(tls) X(broken)
#define SLUICE_STREAM_DROPS(X) X(ring_full) X(slow_reader) X(gone) X(oversize)

/// Why a connection was not taken: all streams are in use, the address has as many as it may, it opens them
/// too fast, no file descriptor is left.
enum class StreamRefusal : uint8_t {
#define SLUICE_NAME(n) n,
  SLUICE_STREAM_REFUSALS(SLUICE_NAME)
};
/// Who or what ended a stream. silent: no message in time; malformed: neither protocol, or one not served.
enum class StreamEnd : uint8_t { SLUICE_STREAM_ENDS(SLUICE_NAME) };
/// Messages that got lost: the shard was behind, the client was, the stream had ended, longer than any slot.
enum class StreamDrop : uint8_t {
  SLUICE_STREAM_DROPS(SLUICE_NAME)
#undef SLUICE_NAME
};
#define SLUICE_TEXT(n) std::string_view(#n),
inline constexpr std::array kStreamRefusalNames{SLUICE_STREAM_REFUSALS(SLUICE_TEXT)};
inline constexpr std::array kStreamEndNames{SLUICE_STREAM_ENDS(SLUICE_TEXT)};
inline constexpr std::array kStreamDropNames{SLUICE_STREAM_DROPS(SLUICE_TEXT)};
#undef SLUICE_TEXT

/// Since start, but for the gauges.
struct StreamCounters {
  uint64_t open = 0;      ///< now
  uint64_t open_tls = 0;  ///< now, of them
  uint64_t accepted = 0;
  uint64_t accepted_tls = 0;
  uint64_t ice = 0;   ///< turned out to be RFC 4571
  uint64_t turn = 0;  ///< turned out to be TURN
  uint64_t datagrams_in = 0, bytes_in = 0;
  uint64_t datagrams_out = 0, bytes_out = 0;
  uint64_t queued = 0;  ///< bytes, now
  std::array<uint64_t, kStreamRefusalNames.size()> refused{};
  std::array<uint64_t, kStreamEndNames.size()> ended{};
  std::array<uint64_t, kStreamDropNames.size()> dropped{};

  uint64_t of(StreamRefusal why) const { return refused[static_cast<size_t>(why)]; }
  uint64_t of(StreamEnd why) const { return ended[static_cast<size_t>(why)]; }
  uint64_t of(StreamDrop why) const { return dropped[static_cast<size_t>(why)]; }
};

class StreamWorker {
 public:
  /// `tls`: needed by listeners that have it. The error is what the kernel refused.
  static std::expected<std::unique_ptr<StreamWorker>, std::string> make(std::vector<StreamListener> listeners,
                                                                        std::optional<TlsContext> tls,
                                                                        std::vector<StreamPort> ports,
                                                                        const StreamServices& services,
                                                                        const StreamLimits& limits = {});
  ~StreamWorker();
  StreamWorker(const StreamWorker&) = delete;
  StreamWorker& operator=(const StreamWorker&) = delete;

  /// One turn: what the shards, the sockets and the clock want. Waits in the kernel, for at most `longest`,
  /// if there is nothing to do. One thread.
  void run_once(Micros longest = kNever);

  /// Any thread, after pushing to one of the rings: ends the wait. A system call only while it sleeps.
  void wake();
  Wake waker() {
    return {[](void* w) { static_cast<StreamWorker*>(w)->wake(); }, this};
  }
  /// Any thread; as of the end of the last turn.
  StreamCounters counters() const;
  /// As they are bound.
  std::vector<Endpoint> listening(bool tls) const;

 private:
  struct Impl;
  explicit StreamWorker(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::slow
