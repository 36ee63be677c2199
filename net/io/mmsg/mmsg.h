// recvmmsg and sendmmsg: for hosts and containers where io_uring is forbidden, and the plain thing to compare
// with.
#pragma once

#include <array>
#include <expected>
#include <memory>
#include <span>
#include <vector>

#include <poll.h>
#include <sys/socket.h>

#include "net/io/address.h"
#include "net/io/backend.h"
#include "net/io/control.h"
#include "net/io/factory.h"
#include "net/io/kernel.h"
#include "net/io/tx_plan.h"
#include "net/io/waker.h"

namespace sluice::io {

/// On cache lines of its own: another shard's is its neighbour on the heap.
class alignas(64) MmsgBackend final : public Backend {
 public:
  static std::expected<std::unique_ptr<Backend>, IoError> make(std::span<const ShardSocket> sockets,
                                                               PacketPool& pool,
                                                               const BackendOptions& options);
  MmsgBackend(const MmsgBackend&) = delete;
  MmsgBackend& operator=(const MmsgBackend&) = delete;
  ~MmsgBackend() override;

  Micros receive(RxBatch& rx, Micros deadline, DropCounters& drops) override;
  void send(TxBatch& tx, DropCounters& drops) override;
  void wake() override { waker_.wake(); }
  uint32_t slots_held() const override { return armed_; }
  std::expected<RelayAbility, IoError> grant_relay(const RelayGrant& g) override {
    return std::unexpected(no_more_ports(g.ports));
  }
  bool claim_block(uint16_t) override { return false; }
  bool open_port(const Endpoint&) override { return false; }
  void close_port(const Endpoint&) override {}
  const IoCounters& counters() const override { return counters_; }
  const char* name() const override { return "mmsg"; }

 private:
  MmsgBackend(std::span<const ShardSocket> sockets, PacketPool& pool, const BackendOptions& options);

  void arm();
  void rearm(uint32_t used);
  void point_at(size_t i, SlotIndex slot);
  bool poll_sockets(RxBatch& rx, DropCounters& drops);
  bool read_socket(RxSocket& s, RxBatch& rx, DropCounters& drops);
  void sleep(Micros deadline);

  PacketPool& pool_;
  std::vector<RxSocket> sockets_;
  std::vector<pollfd> polls_;  // the sockets', then the waker's
  size_t next_ = 0;            // socket to begin with, so that a busy one starves no other
  Waker waker_;
  IoCounters counters_;
  TxPlan plan_;

  // Receive side: headers [0, armed_) have a slot.
  uint32_t armed_ = 0;
  std::array<SlotIndex, kRxBurst> slots_;
  std::array<mmsghdr, kRxBurst> headers_;
  std::array<iovec, kRxBurst> iov_;
  std::array<SocketAddress, kRxBurst> names_;
  struct alignas(8) Control {
    std::array<uint8_t, kRxControlBytes> b;
  };
  std::array<Control, kRxBurst> control_;
};

}  // namespace sluice::io
