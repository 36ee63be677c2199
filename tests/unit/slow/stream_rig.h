// A streams worker with shards that do nothing but hold their ends of the rings, and clients on loopback.
#pragma once

#include <algorithm>
#include <cerrno>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include "engine/slow/streams.h"
#include "net/io/address.h"
#include "net/stun/message.h"
#include "tests/support/self_signed.h"
#include "tests/unit/slow/shards.h"

namespace sluice::test {

using Buffer = std::vector<uint8_t>;
using Buffers = std::vector<Buffer>;

inline Buffer stun_request(uint8_t mark = 0) {
  Buffer m(stun::kHeaderBytes, mark);
  store_be<uint16_t>(&m[0], 0x0001);
  store_be<uint16_t>(&m[2], 0);
  store_be<uint32_t>(&m[4], stun::kMagicCookie);
  return m;
}

inline Buffer framed(const Buffer& message) {
  Buffer out(2 + message.size());
  store_be<uint16_t>(out.data(), static_cast<uint16_t>(message.size()));
  std::ranges::copy(message, out.begin() + 2);
  return out;
}

/// A TCP connection, which TLS may be put on.
class StreamClient {
 public:
  explicit StreamClient(const Endpoint& to, int receive_buffer = 0)
      : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    if (receive_buffer > 0)
      ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    io::SocketAddress a;
    const socklen_t len = io::to_sockaddr(to, false, 0, a);
    REQUIRE(::connect(fd_.get(), &a.sa, len) == 0);
    REQUIRE(::fcntl(fd_.get(), F_SETFL, O_NONBLOCK) == 0);
  }

  void send(const Buffer& bytes) {
    if (ssl_ != nullptr) {
      REQUIRE(SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size())) > 0);
      return;
    }
    REQUIRE(::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
            static_cast<ssize_t>(bytes.size()));
  }
  /// Takes what is there into `received`; notes an end.
  void receive() {
    uint8_t piece[16384];
    for (;;) {
      const ssize_t n = ssl_ != nullptr ? SSL_read(ssl_.get(), piece, sizeof piece)
                                        : ::recv(fd_.get(), piece, sizeof piece, 0);
      if (n > 0) {
        received.insert(received.end(), piece, piece + n);
        continue;
      }
      const bool waits = ssl_ != nullptr
                             ? SSL_get_error(ssl_.get(), static_cast<int>(n)) == SSL_ERROR_WANT_READ
                             : n < 0 && errno == EAGAIN;
      ended = ended || !waits;
      return;
    }
  }
  void begin_tls() {
    ctx_.reset(SSL_CTX_new(TLS_client_method()));
    ssl_.reset(SSL_new(ctx_.get()));
    SSL_set_fd(ssl_.get(), fd_.get());
    SSL_set_connect_state(ssl_.get());
  }
  bool tls_done() { return SSL_do_handshake(ssl_.get()) == 1; }
  void close() { fd_.reset(); }

  Buffer received;
  bool ended = false;

 private:
  struct Free {
    void operator()(SSL* s) const { SSL_free(s); }
    void operator()(SSL_CTX* c) const { SSL_CTX_free(c); }
  };
  io::Fd fd_;
  std::unique_ptr<SSL_CTX, Free> ctx_;
  std::unique_ptr<SSL, Free> ssl_;
};

/// What a shard holds.
struct StreamShard {
  explicit StreamShard(uint32_t ring) : to(ring), from(ring) {}

  void send(slow::StreamId id, const Buffer& message) {
    REQUIRE(to->try_emplace([&](slow::ToStream& m) { m.set_datagram(id, message); }));
  }
  void close(slow::StreamId id) {
    REQUIRE(to->try_emplace([&](slow::ToStream& m) { m.set_close(id); }));
  }
  void take() {
    from->for_each(UINT32_MAX, [&](const slow::FromStream& m) { heard.push_back(m); });
  }
  size_t count(slow::FromStream::Type type) const {
    return static_cast<size_t>(std::ranges::count(heard, type, &slow::FromStream::type));
  }
  size_t datagrams() const { return count(slow::FromStream::Type::datagram); }
  size_t closed() const { return count(slow::FromStream::Type::closed); }

  RingOf<slow::ToStream> to;
  RingOf<slow::FromStream> from;
  std::vector<slow::FromStream> heard;
  int wakes = 0;
};

struct StreamRigOptions {
  slow::StreamLimits limits;
  slow::StreamServices services{.ice = true, .turn = true};
  uint32_t shards = 1;
  uint32_t ring = 64;
  bool tls = false;
};

class StreamRig {
 public:
  explicit StreamRig(const StreamRigOptions& o = {}) {
    std::vector<slow::StreamPort> ports;
    for (uint32_t i = 0; i < o.shards; ++i) {
      shards.push_back(std::make_unique<StreamShard>(o.ring));
      StreamShard& s = *shards.back();
      ports.push_back({&*s.to, &*s.from, {[](void* to) { ++static_cast<StreamShard*>(to)->wakes; }, &s}});
    }
    auto listener = slow::listen_stream({Address::v4(127, 0, 0, 1), 0}, o.tls);
    REQUIRE(listener);
    at = listener->bound;
    std::vector<slow::StreamListener> listeners;
    listeners.push_back(std::move(*listener));
    std::optional<slow::TlsContext> tls;
    if (o.tls) {
      const SelfSigned files;
      auto made = slow::TlsContext::make(files.cert(), files.key());
      REQUIRE(made);
      tls = std::move(*made);
    }
    auto made = slow::StreamWorker::make(std::move(listeners), std::move(tls), ports, o.services, o.limits);
    REQUIRE(made);
    worker = std::move(*made);
  }

  /// Turns of the worker until it is so.
  template <class F>
  void until(F&& so) {
    for (int turns = 0; turns < 5000; ++turns) {
      for (const auto& s : shards) s->take();
      if (so()) return;
      worker->run_once(millis(2));
    }
    FAIL("it never came to that");
  }
  StreamShard& shard(size_t i = 0) { return *shards[i]; }
  uint64_t ended(slow::StreamEnd why) const { return worker->counters().ended[static_cast<size_t>(why)]; }
  uint64_t refused(slow::StreamRefusal why) const {
    return worker->counters().refused[static_cast<size_t>(why)];
  }
  uint64_t dropped(slow::StreamDrop why) const {
    return worker->counters().dropped[static_cast<size_t>(why)];
  }
  /// A client whose first message has arrived; the name of its stream.
  slow::StreamId greet(StreamClient& c, size_t shard_index = 0, uint8_t mark = 0) {
    const size_t before = shard(shard_index).datagrams();
    c.send(framed(stun_request(mark)));
    until([&] { return shard(shard_index).datagrams() > before; });
    return shard(shard_index).heard.back().stream;
  }

  std::vector<std::unique_ptr<StreamShard>> shards;
  std::unique_ptr<slow::StreamWorker> worker;
  Endpoint at;
};

}  // namespace sluice::test
