// One TCP or TLS connection of the streams worker: bytes in, whole datagrams out, nothing that blocks.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "engine/slow/stream_messages.h"
#include "engine/slow/stream_tls.h"
#include "net/base/units.h"
#include "net/io/socket.h"
#include "net/stun/stream_reader.h"

namespace sluice::slow {

class Stream {
 public:
  /// `id` names the place and generation; what kind of stream it is shows only later. `tls`: may be empty.
  Stream(io::Fd fd, StreamId id, const Endpoint& remote, const Endpoint& local,
         std::unique_ptr<TlsStream> tls, Micros now);

  int fd() const { return fd_.get(); }
  StreamId id() const { return id_; }
  const Endpoint& remote() const { return remote_; }
  const Endpoint& local() const { return local_; }
  bool is_tls() const { return tls_ != nullptr; }
  bool established() const { return tls_ == nullptr || tls_->established(); }

  StreamIoResult read(MutBytes out);
  stun::StreamReader& reader() { return reader_; }
  stun::StreamFraming framing() const { return reader_.framing(); }
  /// The first message has shown which framing it is; the name says so from now on.
  void recognised();
  bool is_recognised() const { return recognised_; }

  /// Puts the message, framed, behind what waits; false, and nothing put, if more than `limit` bytes would
  /// wait then.
  bool queue(Bytes message, size_t limit);
  size_t queued() const { return out_.size() - sent_; }
  /// Sends what the socket takes. done: nothing is left.
  StreamIo flush();
  /// The socket is full, and bytes wait for it.
  bool blocked() const { return queued() > 0 || (tls_ != nullptr && tls_->wants_write()); }

  Micros opened;
  Micros heard;             ///< when bytes came, or (TURN) were sent
  bool dirty = false;       ///< on the list of those to be flushed
  bool ending = false;      ///< to be closed once nothing waits
  bool polled_out = false;  ///< epoll watches for room

 private:
  StreamIoResult write(Bytes in);
  size_t next_piece() const;

  io::Fd fd_;
  StreamId id_;
  bool recognised_ = false;
  Endpoint remote_;
  Endpoint local_;
  std::unique_ptr<TlsStream> tls_;  ///< before fd_ goes
  stun::StreamReader reader_;
  std::vector<uint8_t> out_;
  size_t sent_ = 0;             ///< bytes of out_ that are gone
  std::deque<uint32_t> ends_;  ///< of TLS: where each message ends, in bytes since the stream began
  uint32_t begun_ = 0;         ///< of TLS: bytes that were ever queued, and of
  uint32_t gone_ = 0;          ///< them sent; both wrap
};

}  // namespace sluice::slow
