// What a shard and the streams worker tell each other: datagrams that go by TCP or TLS, in two rings per
// shard.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "net/base/bytes.h"
#include "net/base/endpoint.h"
#include "net/base/packet.h"
#include "net/base/virtual_interface.h"

namespace sluice {
template <class T>
class SpscRing;
}

namespace sluice::slow {

/// A stream's name, which is also the Packet::ifindex of what it carries. The generation keeps what is on its
/// way to a stream that has ended from the next one in its place.
class StreamId {
 public:
  static constexpr uint32_t kMaxStreams = 1 << 16;
  static constexpr uint32_t kGenerations = 1 << 13;

  constexpr StreamId() = default;
  constexpr explicit StreamId(uint32_t ifindex) : v_(ifindex) {}
  constexpr StreamId(uint32_t index, uint32_t generation, bool turn)
      : v_(kStreamInterface | (turn ? kTurnStream : 0) | (generation % kGenerations) << 16 | index) {}

  constexpr bool operator==(const StreamId&) const = default;
  constexpr uint32_t ifindex() const { return v_; }
  constexpr uint32_t index() const { return v_ & (kMaxStreams - 1); }
  /// Whose packets its are.
  constexpr uint32_t shard(uint32_t shards) const { return index() % shards; }

 private:
  uint32_t v_ = 0;
};

/// Shard to worker. Any shard may send by any stream.
struct ToStream {
  enum class Type : uint8_t {
    datagram,  ///< send bytes()
    close      ///< nothing more will come: end the stream once what waits is sent
  };

  Type type = Type::datagram;
  uint16_t len = 0;
  StreamId stream;
  uint8_t data[kSlotBytes];

  Bytes bytes() const { return {data, len}; }
  /// Precondition: at most kSlotBytes.
  void set_datagram(StreamId to, Bytes datagram) {
    type = Type::datagram, stream = to, len = static_cast<uint16_t>(datagram.size());
    std::copy(datagram.begin(), datagram.end(), data);
  }
  void set_close(StreamId which) { type = Type::close, stream = which, len = 0; }
};
static_assert(std::is_trivially_copyable_v<ToStream>);

/// Worker to the stream's shard.
struct FromStream {
  enum class Type : uint8_t {
    datagram,  ///< bytes(), received
    closed     ///< the last word of this stream: what is sent to it from now on goes nowhere
  };

  Type type = Type::datagram;
  uint16_t len = 0;
  StreamId stream;
  Endpoint remote;
  Endpoint local;
  uint8_t data[kMaxDatagram];

  Bytes bytes() const { return {data, len}; }
};
static_assert(std::is_trivially_copyable_v<FromStream>);

using ToStreamRing = SpscRing<ToStream>;
using FromStreamRing = SpscRing<FromStream>;

}  // namespace sluice::slow
