// A shard's relay ports as both kernel backends keep them: which are open, and by which socket.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "net/io/backend.h"
#include "net/io/relay_ports.h"

namespace sluice::io {

/// One open port where ports are sockets.
struct PortSocket {
  int fd = -1;           ///< -1: not open, or in io_uring's table only
  int file = -1;         ///< uring: index in its tables; -1: not open
  uint32_t dropped = 0;  ///< last SO_RXQ_OVFL
  uint32_t mark = 0;     ///< the backend's own

  bool is_open() const { return fd >= 0 || file >= 0; }
};

/// The shard's thread only, but for grant(). All memory is taken by grant(): 16 bytes for each port of the
/// grant where ports are sockets.
class ShardPorts {
 public:
  static constexpr uint32_t kNone = PortSpace::kNone;

  ShardPorts() = default;
  ShardPorts(const ShardPorts&) = delete;
  ShardPorts& operator=(const ShardPorts&) = delete;
  /// Closes what is open and gives the blocks back.
  ~ShardPorts();

  /// `shared` must outlive this and be for the same grant. Null: one of our own, with sockets, for this shard
  /// alone. `prebuilt_tx` is told by ability().
  std::expected<void, IoError> grant(const RelayGrant& grant, RelayPorts* shared, uint32_t shard,
                                     bool prebuilt_tx = false);
  bool granted() const { return ports_ != nullptr; }
  SteeredPorts* steered() const { return steered_; }
  const PortSpace& space() const { return space_; }
  uint32_t shard() const { return shard_; }
  /// Open files that this process may have.
  uint32_t files_limit() const { return ports_->files(); }

  /// Bounds the ports that can be open at once; `how` they are served.
  RelayAbility ability(uint32_t ceiling, std::string_view how);
  /// Where each port is a socket with a descriptor of its own.
  RelayAbility ability_of_sockets();

  bool claim(uint16_t first) { return granted() && ports_->claim(shard_, first); }
  /// The index of `local` if it is granted, in a claimed block, not open and within the bound.
  uint32_t openable(const Endpoint& local) const;
  /// Steered: false: another program has the port.
  bool open_steered(uint32_t index);
  void close_steered(uint32_t index);
  void count_opened() { ++open_; }
  void count_closed() { --open_; }

  /// The index of `local` if it is open.
  uint32_t index(const Endpoint& local) const {
    const uint32_t i = space_.index(local);
    if (i == kNone) return kNone;
    return (steered_ ? steered_->is_open(shard_, i) : sockets_[i].is_open()) ? i : kNone;
  }
  PortSocket& operator[](uint32_t index) { return sockets_[index]; }
  const PortSocket& operator[](uint32_t index) const { return sockets_[index]; }

 private:
  std::unique_ptr<RelayPorts> own_;
  RelayPorts* ports_ = nullptr;
  SteeredPorts* steered_ = nullptr;
  PortSpace space_;
  std::vector<PortSocket> sockets_;  // by index; empty where steered
  uint32_t shard_ = 0;
  uint32_t open_ = 0;
  uint32_t max_open_ = 0;
  bool prebuilt_tx_ = false;
};

}  // namespace sluice::io
