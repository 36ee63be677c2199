// TURN clients (RFC 5766, RFC 8656) with long-term credentials, and the peers that they speak to.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "tools/load/credentials.h"
#include "tools/load/protocol.h"
#include "tools/load/transactions.h"

namespace sluice::load {

class TurnProtocol final : public Protocol {
 public:
  explicit TurnProtocol(const Bench& bench) : Protocol(bench), allocations_(bench.sessions.capacity()) {}

  void open(uint32_t s, Nanos now) override;
  void on_timer(uint32_t s, Nanos now) override;
  void close(uint32_t s) override;
  size_t seal(std::span<TxPacket> packets) override;
  void unwrap(std::span<RxPacket> packets, Nanos now) override;

 private:
  enum class Step : uint8_t { allocate, bind, refresh };
  struct Allocation {
    Transaction request;
    Step step = Step::allocate;
    uint8_t stale = 0;  ///< nonces refused in a row
    Endpoint relayed;
    Nanos refresh_at = kNanosNever, bind_at = kNanosNever;
    std::string nonce;
  };

  void on_control(RxPacket& p, Nanos now) override;
  void begin(uint32_t s, Step step, Nanos now);
  void transmit(uint32_t s, Nanos now);
  size_t write_request(uint32_t s, MutBytes out, uint32_t lifetime) const;
  void on_success(uint32_t s, const stun::View& answer, Nanos now);
  void on_error(uint32_t s, const stun::View& answer, Nanos now);
  void up(uint32_t s, Nanos now);
  void set_key(std::string_view realm);
  Local peer(uint32_t s) const { return Local::of(Local::server, s % bench_.options.servers); }
  /// RFC 8656 §12: 0x4000 to 0x4FFF.
  static uint16_t channel(uint32_t s) { return static_cast<uint16_t>(0x4000 + s % 0x1000); }

  std::vector<Allocation> allocations_;
  std::string realm_;
  std::array<uint8_t, 16> key_{};
};

}  // namespace sluice::load
