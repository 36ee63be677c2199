// io_uring: one multishot recvmsg per socket into pool slots, sends in batches. Linux 6.1.
#pragma once

#include <expected>
#include <memory>
#include <span>
#include <thread>
#include <vector>

#include "net/io/backend.h"
#include "net/io/factory.h"
#include "net/io/kernel.h"
#include "net/io/link/transmitter.h"
#include "net/io/shard_ports.h"
#include "net/io/tx_plan.h"
#include "net/io/uring/port_receives.h"
#include "net/io/uring/ring.h"
#include "net/io/waker.h"

namespace sluice::io {

/// Whether this process may use io_uring with everything that UringBackend needs; the error is a line for the
/// log.
std::expected<void, IoError> uring_available();

/// On cache lines of its own: another shard's is its neighbour on the heap.
class alignas(64) UringBackend final : public Backend {
 public:
  static std::expected<std::unique_ptr<Backend>, IoError> make(std::span<const ShardSocket> sockets,
                                                               PacketPool& pool,
                                                               const BackendOptions& options);
  UringBackend(const UringBackend&) = delete;
  UringBackend& operator=(const UringBackend&) = delete;
  ~UringBackend() override;

  Micros receive(RxBatch& rx, Micros deadline, DropCounters& drops) override;
  void send(TxBatch& tx, DropCounters& drops) override;
  void wake() override { waker_.wake(); }
  uint32_t slots_held() const override { return buffers_.held(); }
  std::expected<RelayAbility, IoError> grant_relay(const RelayGrant& grant) override;
  bool claim_block(uint16_t first) override { return ports_.claim(first); }
  bool open_port(const Endpoint& local) override;
  void close_port(const Endpoint& local) override;
  const IoCounters& counters() const override { return counters_; }
  const char* name() const override { return "uring"; }

 private:
  struct Socket {
    RxSocket rx;
    bool receiving = false;  // a multishot recvmsg is in progress
    bool polling = false;    // a poll is, because there was no slot to receive into
  };

  UringBackend(std::span<const ShardSocket> sockets, PacketPool& pool, const BackendOptions& options,
               uint32_t buffers, uint32_t armed);
  std::expected<void, IoError> set_up(const BackendOptions& options, uint32_t buffers);
  std::expected<void, IoError> register_files(uint32_t ports);

  void start();
  bool arm(DropCounters& drops);
  void request_receive(size_t socket);
  void request_poll(size_t socket);
  void request_wake();
  bool reap(RxBatch& rx, DropCounters& drops);
  void completed(const io_uring_cqe& c, RxBatch& rx, DropCounters& drops);
  void completed_on_port(const RequestTag& tag, const io_uring_cqe& c, RxBatch& rx, DropCounters& drops);
  void count_end(const io_uring_cqe& c);
  void deliver(RxSocket* from, const io_uring_cqe& c, RxBatch& rx, DropCounters& drops);
  void sleep(Micros deadline);
  size_t submit(const TxBatch& tx, DropCounters& drops);

  PacketPool& pool_;
  BufferRing buffers_;  // before the rings: they go first
  Ring rx_ring_;
  // Sends complete while they are submitted, and would wait behind what was received in a common ring.
  Ring tx_ring_;
  std::vector<Socket> sockets_;
  Waker waker_;
  msghdr shape_{};  // name and control lengths of multishot receives
  ShardPorts ports_;
  PortReceives port_receives_;
  TxPlan plan_;
  std::unique_ptr<link::Transmitter> link_;  // null: sockets only
  IoCounters counters_;
  uint64_t woken_ = 0;
  bool listening_for_wake_ = false;
  bool started_ = false;
  bool ring_sends_;
  RelayPorts* relay_ports_;
  uint32_t shard_;
  std::thread::id owner_;
};

}  // namespace sluice::io
