// The process's relay ports: how they are served, and which shard has which block. Backends are given it and
// open ports of their blocks.
#pragma once

#include <atomic>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/io/backend.h"
#include "net/io/port_space.h"
#include "net/io/steer/ports.h"

namespace sluice::io {

enum class RelayMode : uint8_t {
  automatic,  ///< steered where it can be had
  sockets,    ///< one socket per open port
  steered,    ///< by BPF to one socket per shard, sent by raw sockets
};
/// "auto", "sockets", "steered".
std::optional<RelayMode> parse_relay_mode(std::string_view s);
std::string_view name_of(RelayMode m);

struct RelayPortsOptions {
  RelayMode mode = RelayMode::automatic;
  uint32_t shards = 1;
  uint32_t rcvbuf_bytes = 8u << 20;  ///< steered: asked for, per shard and family
  /// Open files beyond those that are open now, which ports leave to the rest of the process.
  uint32_t reserved_files = 200;
};

/// Made before the backends and outlives them.
class RelayPorts {
 public:
  /// Control thread, at start. Raises the limit of open files to what is permitted. The error names an
  /// address that this host does not have, or says why an explicit wish cannot be had.
  static std::expected<std::unique_ptr<RelayPorts>, IoError> make(const RelayGrant& grant,
                                                                  const RelayPortsOptions& options = {});

  const PortSpace& space() const { return space_; }
  uint32_t shards() const { return shards_; }
  /// Null: one socket per port.
  SteeredPorts* steered() { return steered_ ? &*steered_ : nullptr; }
  /// Why not steered; empty if it is, or if nobody asked for it.
  const std::string& why_not() const { return why_not_; }
  /// What an operator should do about the range; empty: nothing. One line with the others.
  const std::string& advice() const { return advice_; }
  /// Open files in all, and how many of them each shard may spend on ports.
  uint32_t files() const { return files_; }
  uint32_t files_per_shard() const { return files_per_shard_; }

  // Any thread, no lock.

  /// False: no such block, or another shard's. `first` as in Backend::claim_block().
  bool claim(uint32_t shard, uint16_t first);
  /// All blocks of a shard that is gone.
  void release(uint32_t shard);
  bool is_claimed(uint32_t shard, uint32_t block) const {
    return owner_[block].load(std::memory_order_relaxed) == shard + 1;
  }
  /// Steered: whether another program has the port. Looks at what was found at the start, or, where the
  /// kernel may have handed the port out since, asks it.
  bool is_taken(uint32_t index) const;

 private:
  explicit RelayPorts(const PortSpace& space, uint32_t shards)
      : space_(space), shards_(shards), owner_(space.blocks()) {}
  std::expected<void, IoError> choose(const RelayPortsOptions& options);
  void find_taken();

  PortSpace space_;
  uint32_t shards_;
  std::vector<std::atomic<uint16_t>> owner_;  // by block: 1 + shard
  std::optional<SteeredPorts> steered_;
  std::vector<bool> taken_;  // steered: by index
  bool may_be_handed_out_ = false;
  uint32_t files_ = 0;
  uint32_t files_per_shard_ = 0;
  std::string why_not_;
  std::string advice_;
};

/// A nonblocking UDP socket bound to a relay endpoint, with buffers as small as one flow needs; empty: errno
/// says why not. No allocation.
Fd bind_relay_socket(const Endpoint& local);
/// Asked for per relay socket; the kernel counts twice as much. It is a bound, taken only while packets wait;
/// an idle socket takes about 3 KiB of the kernel's memory (bench/ports_bench).
inline constexpr uint32_t kRelayRcvbufBytes = 64u << 10;

}  // namespace sluice::io
