// A network in memory in which the test decides what becomes of each packet.
#pragma once

#include <deque>
#include <functional>
#include <vector>

#include "tools/load/wire.h"

namespace sluice::load {

struct Datagram {
  Local from_local;
  Endpoint from, to;
  std::vector<uint8_t> bytes;
};

class PretendWire final : public Wire {
 public:
  using Network = std::function<void(PretendWire&, const Datagram&)>;
  explicit PretendWire(Network network) : network_(std::move(network)) {}

  Nanos clock = 0;

  /// Arrives with the next receive().
  void deliver(Local to, const Endpoint& from, std::vector<uint8_t> bytes, Nanos at) {
    inbox_.push_back({to, from, std::move(bytes), at});
  }

  /// Client n is 10.0.0.1:1000+n, its partner 10.0.0.2, far side n 10.0.0.3.
  Endpoint endpoint(Local l) const override {
    return {Address::v4(10, 0, 0, static_cast<uint8_t>(l.kind() + 1)),
            static_cast<uint16_t>(1000 + l.index())};
  }
  static Local local_of(const Endpoint& e) {
    return Local::of(static_cast<Local::Kind>((e.addr.v4_host_order() & 3) - 1), e.port - 1000U);
  }

  std::span<RxPacket> receive() override {
    current_.clear();
    rx_.clear();
    while (!inbox_.empty() && current_.size() < kBatch) {
      current_.push_back(std::move(inbox_.front()));
      inbox_.pop_front();
    }
    for (Arrived& a : current_) rx_.push_back({.local = a.to, .remote = a.from, .data = a.bytes, .at = a.at});
    counters_.rx_packets += rx_.size();
    return rx_;
  }
  void send(std::span<TxPacket> packets) override {
    for (const TxPacket& p : packets)
      network_(*this, {p.local, endpoint(p.local), p.remote, {p.data, p.data + p.len}});
    counters_.tx_packets += packets.size();
  }
  void wait(Nanos) override {}
  WireCounters counters() override { return counters_; }
  Nanos now() const override { return clock; }
  std::string describe() const override { return "pretended"; }

 private:
  struct Arrived {
    Local to;
    Endpoint from;
    std::vector<uint8_t> bytes;
    Nanos at;
  };

  Network network_;
  std::deque<Arrived> inbox_;
  std::vector<Arrived> current_;
  std::vector<RxPacket> rx_;
  WireCounters counters_;
};

}  // namespace sluice::load
