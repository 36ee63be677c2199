// io_uring's side of relay ports that are sockets: a file in both rings' tables and a multishot receive each.
#pragma once

#include <cstdint>
#include <expected>
#include <vector>

#include "net/base/drop.h"
#include "net/io/shard_ports.h"
#include "net/io/uring/ring.h"

namespace sluice::io {

/// Requests of one kind on one port. What completes late, for a port that was closed meanwhile, is told by
/// its generation.
struct RequestTag {
  enum class Op : uint8_t { none, receive, poll, wake, port_receive, port_poll, port_discard };
  Op op = Op::none;
  uint32_t generation = 0;  ///< 24 bits
  uint32_t index = 0;

  constexpr uint64_t packed() const {
    return uint64_t{static_cast<uint8_t>(op)} << 56 | uint64_t{generation & 0xff'ffff} << 32 | index;
  }
  static constexpr RequestTag of(uint64_t v) {
    return {static_cast<Op>(v >> 56), static_cast<uint32_t>(v >> 32) & 0xff'ffff, static_cast<uint32_t>(v)};
  }
};

/// The first places of both tables are for sockets that are not ports, and for the waker.
inline constexpr uint32_t kFirstPortFile = 80;

class PortReceives {
 public:
  PortReceives(Ring& rx, Ring& tx, ShardPorts& ports, msghdr& shape)
      : rx_(rx), tx_(tx), ports_(ports), shape_(shape) {}

  /// Room for `files` open ports; the tables have that much room behind kFirstPortFile.
  void grant(uint32_t files);
  /// Binds a socket; what is armed later. `keep_fd`: leave its descriptor open, for sendmmsg().
  bool open(uint32_t index, bool keep_fd);
  /// `started`: the rings are enabled, so something may be in progress.
  void close(uint32_t index, bool started);

  /// Ends everything that is in progress; what has completed is lost.
  void cancel_all();

  /// Requests what is not in progress. `starved`: there is no slot to receive into; ports are then polled,
  /// and what they have is thrown away.
  void arm(bool starved);
  /// Null: the port that `tag` is about has been closed since.
  PortSocket* find(const RequestTag& tag);
  /// A request on an open port has ended with `result`.
  void ended(const RequestTag& tag, int result, DropCounters& drops);

 private:
  enum class State : uint8_t { idle, receiving, polling, discarding };
  struct Progress {
    State state = State::idle;
    bool listed = false;    // in to_arm_
    bool readable = false;  // told by a poll
  };

  io_uring_sqe* request();
  void request_receive(uint32_t index);
  void request_poll(uint32_t index);
  void request_discard(uint32_t index);
  RequestTag tag(RequestTag::Op op, uint32_t index) const { return {op, ports_[index].mark, index}; }
  void list(uint32_t index);
  void request_cancel(uint32_t index);

  Ring& rx_;
  Ring& tx_;
  ShardPorts& ports_;
  msghdr& shape_;
  std::vector<Progress> progress_;  // by port
  std::vector<uint32_t> to_arm_;    // each port once at most
  std::vector<uint32_t> free_files_;
};

}  // namespace sluice::io
