// Packets as Ethernet frames by AF_PACKET, past the IP stack of our side: any number of clients, with
// addresses that no interface has. Transmits by io::link::FrameWriter, receives from a ring shared with the
// kernel.
#pragma once

#include <expected>

#include "net/io/link/frame_writer.h"
#include "net/io/socket.h"
#include "tools/load/address_plan.h"
#include "tools/load/wire.h"

namespace sluice::load {

struct FrameWireOptions {
  std::string interface;          ///< in the namespace of the calling thread
  io::link::MacAddress source{};  ///< of our frames
  io::link::MacAddress destination{};
  AddressPlan clients;
  std::vector<Endpoint> servers;  ///< within AddressPlan::kMask of kServerNet's part of this thread
};

class FrameWire final : public Wire {
 public:
  /// The error is a sentence with its remedy.
  static std::expected<std::unique_ptr<FrameWire>, std::string> open(const FrameWireOptions& options);
  ~FrameWire() override;

  Endpoint endpoint(Local local) const override;
  std::span<RxPacket> receive() override;
  void send(std::span<TxPacket> packets) override;
  void wait(Nanos until) override;
  WireCounters counters() override;
  std::string describe() const override;

 private:
  using Result = std::expected<void, std::string>;
  FrameWire(const FrameWireOptions& options, io::link::FrameWriter writer)
      : options_(options), writer_(std::move(writer)) {}
  Result open_ring();
  void release();
  bool take(uint8_t* slot, Nanos offset);
  std::optional<Local> local_of(const Endpoint& e) const;

  FrameWireOptions options_;
  io::link::FrameWriter writer_;
  io::link::Path path_;
  io::Fd rx_fd_;
  uint8_t* ring_ = nullptr;
  uint32_t next_ = 0;  ///< slot that is read next
  uint32_t held_ = 0;  ///< slots before it that the caller may still look at
  size_t have_ = 0;
  std::array<RxPacket, kBatch> rx_;
  WireCounters counters_;
};

}  // namespace sluice::load
