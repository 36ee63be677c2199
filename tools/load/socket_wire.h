// Packets by UDP sockets: on loopback a few sockets with thousands of source addresses and one system call
// per batch, elsewhere one socket per session.
#pragma once

#include <expected>
#include <optional>

#include "net/io/address.h"
#include "net/io/socket.h"
#include "tools/load/address_plan.h"
#include "tools/load/wire.h"

namespace sluice::load {

struct SocketWireOptions {
  uint32_t clients = 0;
  bool partners = false;          ///< each client has a partner on the neighbouring port
  std::vector<Endpoint> servers;  ///< far sides of our own; the ports are free
  Address source;                 ///< of the clients; its family is the clients' family
  std::optional<AddressPlan> spread;
};

class SocketWire final : public Wire {
 public:
  /// The error is a sentence with its remedy.
  static std::expected<std::unique_ptr<SocketWire>, std::string> open(const SocketWireOptions& options);

  Endpoint endpoint(Local local) const override;
  std::span<RxPacket> receive() override;
  void send(std::span<TxPacket> packets) override;
  void wait(Nanos until) override;
  WireCounters counters() override;
  std::string describe() const override;

 private:
  using Result = std::expected<void, std::string>;
  struct Socket {
    io::Fd fd;
    Endpoint bound;
    Local first;  ///< its endpoint, or the first of many that differ by address
    bool spread = false;
    bool ipv6 = false;
  };
  struct alignas(8) Control {
    std::array<uint8_t, 64> b;
  };

  explicit SocketWire(const SocketWireOptions& options);
  Result open_all();
  Result open_clients(uint32_t first);
  Result add(const Endpoint& at, Local first, bool spread);
  Result watch();
  size_t socket_of(Local local) const;
  void send_run(std::span<TxPacket> run, const Socket& s);
  size_t receive_from(const Socket& s, size_t have);
  Local local_of(const Socket& s, const msghdr& m) const;

  SocketWireOptions options_;
  std::vector<Socket> sockets_;
  size_t first_server_ = 0;
  size_t turn_ = 0;
  io::Fd epoll_;
  WireCounters counters_;
  uint64_t drops_at_start_ = 0;

  std::vector<uint8_t> memory_;
  std::array<RxPacket, kBatch> rx_;
  std::array<mmsghdr, kBatch> headers_;
  std::array<iovec, kBatch> iov_;
  std::array<io::SocketAddress, kBatch> names_;
  std::array<Control, kBatch> control_;
};

}  // namespace sluice::load
