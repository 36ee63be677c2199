// recvmmsg and sendmmsg: for hosts and containers where io_uring is forbidden, and the plain thing to compare
// with.
#pragma once

#include <array>
#include <expected>
#include <memory>
#include <span>
#include <vector>

#include <sys/socket.h>

#include "net/io/address.h"
#include "net/io/backend.h"
#include "net/io/control.h"
#include "net/io/factory.h"
#include "net/io/kernel.h"
#include "net/io/link/transmitter.h"
#include "net/io/mmsg/ready_set.h"
#include "net/io/shard_ports.h"
#include "net/io/tx_plan.h"
#include "net/io/waker.h"
#include "net/io/xdp/receive.h"

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
  std::expected<RelayAbility, IoError> grant_relay(const RelayGrant& grant) override;
  bool claim_block(uint16_t first) override { return ports_.claim(first); }
  bool open_port(const Endpoint& local) override;
  void close_port(const Endpoint& local) override;
  const IoCounters& counters() const override { return counters_; }
  const char* name() const override { return "mmsg"; }

 private:
  MmsgBackend(std::span<const ShardSocket> sockets, PacketPool& pool, const BackendOptions& options);

  void arm();
  void rearm(uint32_t used);
  void point_at(size_t i, SlotIndex slot);
  bool watch();
  bool watch_socket(uint32_t i);
  void read_ready(RxBatch& rx, Micros deadline, DropCounters& drops);
  void read_sockets(std::span<const ReadySet::Member> ready, RxBatch& rx, DropCounters& drops);
  void read_ports(std::span<const ReadySet::Member> ready, RxBatch& rx, DropCounters& drops);
  bool read_frames(RxBatch& rx, DropCounters& drops);
  void drop_closed(RxBatch& rx, size_t from, DropCounters& drops);
  void read_port(uint32_t i, unsigned share, RxBatch& rx, DropCounters& drops);
  /// At most `burst` datagrams; returns how many were there.
  unsigned read_socket(RxSocket& s, unsigned burst, RxBatch& rx, DropCounters& drops);
  int read_plain(int fd);
  void deliver(uint32_t header, RxSocket& s, RxBatch& rx, DropCounters& drops);

  PacketPool& pool_;
  std::vector<RxSocket> sockets_;
  Waker waker_;
  IoCounters counters_;
  ShardPorts ports_;
  TxPlan plan_;
  RelayPorts* relay_ports_;
  uint32_t shard_;
  ReadySet ready_;
  uint32_t round_ = 2;                       // of calls to read_ready()
  uint32_t turn_ = 0;                        // of ports that are ready, where the next round begins
  std::unique_ptr<link::Transmitter> link_;  // null: sockets only
  std::span<const std::unique_ptr<XdpQueue>> queues_;
  uint32_t reads_ = 0;         // of frames
  uint32_t frames_only_ = 0;   // calls of receive() in a row that took frames and looked at nothing else
  bool sockets_busy_ = false;  // at the last look

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
