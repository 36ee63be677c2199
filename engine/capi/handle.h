// What a sluice_engine is.
#pragma once

#include <algorithm>
#include <cstddef>
#include <exception>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "engine/relay/keys.h"
#include "engine/runner.h"
#include "engine/sluice.h"
#include "net/io/factory.h"
#include "net/io/link/neighbours.h"
#include "net/io/relay_ports.h"
#include "net/io/socket.h"
#include "net/io/steer/steer.h"
#include "net/io/xdp/receive.h"

/// Members in the order in which they are made; threads end first, sockets last.
struct sluice_engine {
  sluice::io::ListenSockets sockets;
  std::vector<sluice::io::ListenSockets> trunk_sockets;            ///< by shard, or a group that all share
  std::vector<std::vector<sluice::io::ShardSocket>> shard_trunks;  ///< what of them is each shard's
  sluice::io::Fd event_fd;
  std::optional<sluice::io::Steering> steering;
  std::unique_ptr<sluice::io::RelayPorts> relay_ports;
  std::unique_ptr<sluice::io::link::Neighbours> neighbours;
  std::unique_ptr<sluice::io::XdpReceive> frames;
  std::vector<sluice::slow::StreamListener> stream_listeners;  ///< until the worker has them
  std::optional<sluice::slow::TlsContext> stream_tls;          ///< likewise
  std::unique_ptr<sluice::engine::Engine> engine;
  std::unique_ptr<sluice::slow::StreamWorker> streams;  ///< none: no TCP
  std::unique_ptr<sluice::engine::Runner> runner;
  std::vector<int> cores;
  /// What sluice_mint_ufrag() mints under; the engine has its own.
  sluice::engine::relay::FleetKey minting_key;
  std::string io_name;
  std::string notes;  ///< what was switched on or off and why, a line each
  sluice_log_fn log = nullptr;
  void* log_user = nullptr;

  sluice_engine() = default;
  sluice_engine(const sluice_engine&) = delete;
  sluice_engine& operator=(const sluice_engine&) = delete;
  ~sluice_engine() { sluice::engine::relay::wipe(minting_key); }

  void say(int level, const std::string& line) {
    notes += line + "\n";
    if (log != nullptr) log(log_user, level, line.c_str());
  }
};

namespace sluice::capi {

/// A config whose strings have been read.
struct ParsedConfig {
  engine::EngineConfig engine;
  std::vector<Endpoint> listen;
  std::vector<Endpoint> public_addresses;  ///< port 0: those that are listened on
  std::vector<int> cores;
  io::Kind io = io::Kind::automatic;
  bool relay_ports_asked = false;  ///< by address or mode: a relay without them is not what was asked for
  std::string cert_file, key_file;
};

std::expected<ParsedConfig, engine::Failure> parse(const sluice_config& c);
/// What concerns the relay tier, the trunk and TURN, into `out`.
std::expected<void, engine::Failure> parse_relay(const sluice_config& c, ParsedConfig& out);

/// The trunk's sockets, of relays and for them; says in `c` where they are bound. After the media sockets.
std::expected<void, engine::Failure> open_trunk_sockets(ParsedConfig& c, const io::SocketOptions& options,
                                                        sluice_engine& e);
/// Where media tiers answer clients past the trunk, if they do.
std::expected<void, engine::Failure> open_direct(sluice_engine& e);
/// What the shard's backend receives from and sends by.
std::vector<io::ShardSocket> sockets_of(const sluice_engine& e, uint32_t shard);

engine::Failure invalid(std::string field, std::string message, std::string fix);
/// "what is wrong; what would be right" as a failure.
engine::Failure invalid_text(std::string field, std::string_view text);
std::expected<void, engine::Failure> check_range(const char* field, uint64_t value, uint64_t lo, uint64_t hi);
/// A list that is there and whose strings are.
std::expected<void, engine::Failure> check_list(const char* field, const char* const* list, size_t n);

/// CLOCK_MONOTONIC.
Micros monotonic_now();
/// CLOCK_REALTIME.
int64_t unix_now_us();

/// Makes the event descriptor readable if events wait that no shard rang for.
void ring_for_events(sluice_engine& e);

/// Copies into a fixed array, cut to fit and zero-terminated.
void copy_text(char* out, size_t cap, std::string_view text);
template <size_t N>
void copy_text(char (&out)[N], std::string_view text) {
  copy_text(out, N, text);
}

/// Fills `err` if there is one and returns the code.
sluice_code report(sluice_error* err, const engine::Failure& f);
/// Writes a text and its length; BUFFER with the length that is needed if it does not fit. `field` names
/// `cap`.
sluice_code put_text(std::string_view text, char* out, size_t cap, size_t* len, const char* field,
                     sluice_error* err);

/// A struct whose size nobody has set may be anything.
std::expected<void, engine::Failure> check_size(const char* what, size_t size);

/// Copies at most `size` bytes of a struct that an older caller may know only in part; `out->size` is kept.
/// Nothing if it is 0.
template <class T>
void hand_out(T* out, const T& full) {
  if (out->size == 0) return;
  const size_t size = std::min(out->size, sizeof(T));
  __builtin_memcpy(static_cast<void*>(out), &full, size);
  out->size = size;
}
/// The element `i` of a caller's array, whose elements lie as far apart as the first one's size says.
template <class T>
void hand_out_at(T* out, size_t i, T full) {
  if (out->size == 0) return;
  const size_t stride = out->size;
  full.size = std::min(stride, sizeof(T));
  __builtin_memcpy(reinterpret_cast<std::byte*>(out) + i * stride, &full, full.size);
}
/// The reverse: what an older caller does not know keeps the default. Precondition: check_size().
template <class T>
T take_in(const T& from, const T& defaults) {
  T full = defaults;
  const size_t size = std::min(from.size, sizeof(T));
  __builtin_memcpy(static_cast<void*>(&full), &from, size);
  full.size = sizeof(T);
  return full;
}

/// Runs what may throw for want of memory; no exception may reach a C caller.
template <class F>
sluice_code guarded(sluice_error* err, F&& f) {
  try {
    return f();
  } catch (const std::exception& x) {
    return report(err, {SLUICE_E_IO, "", x.what(), "free some memory"});
  }
}

}  // namespace sluice::capi
