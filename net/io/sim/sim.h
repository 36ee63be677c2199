// The backend of the simulator: queues in memory and a clock that the world sets. No thread, no socket, no
// clock of its own, no allocation after construction; the same calls give the same bytes.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/pool.h"
#include "net/io/backend.h"
#include "net/io/port_space.h"

namespace sluice::io {

/// A datagram on its way into or out of a SimBackend.
struct SimDatagram {
  Endpoint from;
  Endpoint to;
  Micros at;  ///< in: not delivered before; out: when it was sent
  uint32_t ifindex = 0;
  uint16_t len = 0;
  uint8_t ecn = 0;
};

class SimBackend final : public Backend {
 public:
  struct Options {
    uint32_t rx_queue = 1024;           ///< datagrams waiting to be received, as in a socket's buffer
    uint32_t tx_queue = 1024;           ///< datagrams sent and not yet drained
    uint32_t relay_ports = UINT32_MAX;  ///< that may be open at once, as a limit of open files would have it
  };
  explicit SimBackend(PacketPool& pool) : SimBackend(pool, Options{}) {}
  SimBackend(PacketPool& pool, const Options& options);

  // The world's side.

  void set_now(Micros now) { now_ = now; }
  Micros now() const { return now_; }
  /// Queues a datagram for receive() at `d.at` or later; inject in the order of `at`. False, and counted as
  /// kernel_drops: the queue is full. Longer than kMaxDatagram arrives as Drop::oversize.
  bool inject(const SimDatagram& d, Bytes payload);
  /// Calls `visit(const SimDatagram&, Bytes)` for everything sent since, in order, and forgets it.
  template <class Visit>
  void drain(Visit&& visit) {
    for (; tx_.n > 0; tx_.pop()) visit(std::as_const(tx_.front()), tx_.front_bytes());
  }
  /// Datagrams injected and not yet received.
  uint32_t pending() const { return rx_.n; }
  /// When the earliest of them may be received; kNever without one, or while the queue is stalled.
  Micros next_arrival() const;
  /// The deadline that the last receive() was called with: until then the shard would have slept.
  Micros deadline() const { return deadline_; }
  /// True once after wake().
  bool take_wake() { return std::exchange(woken_, false); }
  /// Whether datagrams to the relay endpoint are this shard's.
  bool serves(const Endpoint& relay) const {
    const uint32_t i = space_.index(relay);
    return i != PortSpace::kNone && claimed_[space_.block_of(i)];
  }
  bool grants(const Endpoint& relay) const { return space_.index(relay) != PortSpace::kNone; }
  uint32_t ports_open() const { return ports_open_; }

  // Faults.

  /// The next n packets sent fail as `why`.
  void fail_sends(uint32_t n, Drop why = Drop::tx_error) {
    fail_sends_ = n;
    fail_why_ = why;
  }
  /// While set, receive() finds no slot, whatever the pool holds.
  void pretend_pool_empty(bool on) { pretend_empty_ = on; }
  /// While set, receive() delivers nothing (a stalled queue); what is injected waits.
  void stall_receive(bool on) { stalled_ = on; }

  // The engine's side. receive() never waits.

  Micros receive(RxBatch& rx, Micros deadline, DropCounters& drops) override;
  void send(TxBatch& tx, DropCounters& drops) override;
  void wake() override { woken_ = true; }
  uint32_t slots_held() const override { return 0; }
  std::expected<RelayAbility, IoError> grant_relay(const RelayGrant& grant) override;
  bool claim_block(uint16_t first) override;
  bool open_port(const Endpoint& local) override;
  void close_port(const Endpoint& local) override;
  const IoCounters& counters() const override { return counters_; }
  const char* name() const override { return "sim"; }

 private:
  struct Queue {
    std::vector<SimDatagram> d;
    std::vector<uint8_t> bytes;  // kSlotBytes each
    uint32_t head = 0;
    uint32_t n = 0;

    explicit Queue(uint32_t capacity);
    bool full() const { return n == d.size(); }
    SimDatagram& front() { return d[head]; }
    const SimDatagram& front() const { return d[head]; }
    Bytes front_bytes() const;
    void push(const SimDatagram& m, Bytes payload);
    void pop() {
      head = (head + 1) % static_cast<uint32_t>(d.size());
      --n;
    }
  };

  /// A relay endpoint that is not open.
  bool is_closed(const Endpoint& local) const {
    const uint32_t i = space_.index(local);
    return i != PortSpace::kNone && !open_[i];
  }

  PacketPool& pool_;
  uint32_t most_ports_;
  Queue rx_;
  Queue tx_;
  PortSpace space_;
  std::vector<bool> claimed_;  // by block
  std::vector<bool> open_;     // by index
  uint32_t ports_open_ = 0;
  Micros now_ = seconds(1);
  Micros deadline_ = kPoll;
  IoCounters counters_;
  uint32_t fail_sends_ = 0;
  Drop fail_why_ = Drop::tx_error;
  bool pretend_empty_ = false;
  bool stalled_ = false;
  bool woken_ = false;
};

}  // namespace sluice::io
