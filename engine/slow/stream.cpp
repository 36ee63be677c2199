#include "engine/slow/stream.h"

#include <cerrno>

#include <sys/socket.h>

namespace sluice::slow {
namespace {

/// What an idle stream may keep of its send queue.
constexpr size_t kKeptCapacity = 4096;

StreamIoResult result_of(ssize_t n) {
  if (n > 0) return {StreamIo::done, static_cast<size_t>(n)};
  if (n == 0) return {StreamIo::closed, 0};
  const bool again = errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
  return {again ? StreamIo::wait : StreamIo::failed, 0};
}

}  // namespace

Stream::Stream(io::Fd fd, StreamId id, const Endpoint& remote, const Endpoint& local,
               std::unique_ptr<TlsStream> tls, Micros now)
    : opened(now),
      heard(now),
      fd_(std::move(fd)),
      id_(id),
      remote_(remote),
      local_(local),
      tls_(std::move(tls)) {}

StreamIoResult Stream::read(MutBytes out) {
  return tls_ != nullptr ? tls_->read(out) : result_of(::recv(fd(), out.data(), out.size(), 0));
}

StreamIoResult Stream::write(Bytes in) {
  return tls_ != nullptr ? tls_->write(in) : result_of(::send(fd(), in.data(), in.size(), MSG_NOSIGNAL));
}

void Stream::recognised() {
  recognised_ = true;
  if (reader_.framing() == stun::StreamFraming::turn) id_ = StreamId(id_.ifindex() | kTurnStream);
}

bool Stream::queue(Bytes message, size_t limit) {
  const stun::StreamFrame f = stun::stream_frame(reader_.framing(), message);
  if (queued() + f.prefix_n + message.size() + f.padding > limit) return false;
  if (sent_ > limit) {
    out_.erase(out_.begin(), out_.begin() + static_cast<std::ptrdiff_t>(sent_));
    sent_ = 0;
  }
  out_.insert(out_.end(), f.prefix.begin(), f.prefix.begin() + f.prefix_n);
  out_.insert(out_.end(), message.begin(), message.end());
  out_.resize(out_.size() + f.padding);
  if (tls_ != nullptr) {
    begun_ += static_cast<uint32_t>(f.prefix_n + message.size() + f.padding);
    ends_.push_back(begun_);
  }
  return true;
}

/// Of TLS a message at a time: some clients (coturn's) take a record for a message.
size_t Stream::next_piece() const { return ends_.empty() ? queued() : ends_.front() - gone_; }

StreamIo Stream::flush() {
  while (queued() > 0) {
    const StreamIoResult r = write(Bytes(out_).subspan(sent_, next_piece()));
    if (r.state != StreamIo::done) return r.state;
    sent_ += r.n;
    gone_ += static_cast<uint32_t>(r.n);
    if (!ends_.empty() && ends_.front() == gone_) ends_.pop_front();
  }
  out_.clear();
  sent_ = 0;
  if (out_.capacity() > kKeptCapacity) std::vector<uint8_t>().swap(out_);
  return StreamIo::done;
}

}  // namespace sluice::slow
