// All rings of an engine: made at start, owned in one place, each used by exactly two threads.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <vector>

#include "engine/shard/messages.h"
#include "engine/slow/handshake_messages.h"
#include "engine/slow/stream_messages.h"
#include "net/base/ring.h"

namespace sluice::engine {

/// A ring with its memory.
template <class T>
class OwnedRing {
 public:
  explicit OwnedRing(uint32_t at_least) {
    const uint32_t capacity = std::bit_ceil(at_least);
    const size_t bytes = SpscRing<T>::size_for(capacity);
    memory_.reset(static_cast<std::byte*>(::operator new(bytes, std::align_val_t{64})));
    ring_.attach({memory_.get(), bytes}, capacity);
  }
  SpscRing<T>& operator*() { return ring_; }
  SpscRing<T>* operator->() { return &ring_; }
  SpscRing<T>* get() { return &ring_; }

 private:
  struct Free {
    void operator()(std::byte* p) const { ::operator delete(p, std::align_val_t{64}); }
  };
  std::unique_ptr<std::byte, Free> memory_;
  SpscRing<T> ring_;
};

/// What one shard's thread holds of the links; index: the other shard.
struct ShardPorts {
  SpscRing<Command>* commands = nullptr;              ///< consumer
  SpscRing<Notice>* notices = nullptr;                ///< producer
  slow::ToHandshakeRing* to_handshake = nullptr;      ///< producer
  slow::FromHandshakeRing* from_handshake = nullptr;  ///< consumer
  slow::ToStreamRing* to_streams = nullptr;           ///< producer; none without streams
  slow::FromStreamRing* from_streams = nullptr;       ///< consumer; likewise
  std::vector<SpscRing<PeerMessage>*> to_peer;        ///< producer
  std::vector<SpscRing<PeerMessage>*> from_peer;      ///< consumer
  std::vector<SpscRing<SlotIndex>*> home_from_peer;   ///< consumer: our slots coming back
  std::vector<SpscRing<SlotIndex>*> home_to_peer;     ///< producer: their slots going back
};

struct LinkSizes {
  uint32_t commands = 1024;
  /// At least 4 per session: `checking`, `connected` and `closed` must always fit, whatever else is said gets
  /// a quarter (Core::notice).
  uint32_t notices = 1024;
  uint32_t handshake = 256;
  uint32_t peer = 1024;
  uint32_t streams = 0;  ///< 0: none
};

struct ShardLinks {
  ShardLinks(uint32_t shards, const LinkSizes& sizes) : n(shards) {
    for (uint32_t s = 0; s < shards; ++s) {
      commands.push_back(std::make_unique<OwnedRing<Command>>(sizes.commands));
      notices.push_back(std::make_unique<OwnedRing<Notice>>(sizes.notices));
      to_handshake.push_back(std::make_unique<OwnedRing<slow::ToHandshake>>(sizes.handshake));
      from_handshake.push_back(std::make_unique<OwnedRing<slow::FromHandshake>>(sizes.handshake));
      if (sizes.streams == 0) continue;
      to_streams.push_back(std::make_unique<OwnedRing<slow::ToStream>>(sizes.streams));
      from_streams.push_back(std::make_unique<OwnedRing<slow::FromStream>>(sizes.streams));
    }
    for (uint32_t i = 0; i < shards * shards; ++i) {
      peer.push_back(std::make_unique<OwnedRing<PeerMessage>>(sizes.peer));
      // Never full: Core::lend() stops before.
      home.push_back(std::make_unique<OwnedRing<SlotIndex>>(2 * std::bit_ceil(sizes.peer)));
    }
  }

  /// Threads have ended. What nobody took may be keys.
  ~ShardLinks() {
    for (const auto& ring : from_handshake)
      slow::take_from_handshake(**ring, UINT32_MAX, [](const slow::FromHandshake&) {});
  }
  ShardLinks(const ShardLinks&) = delete;
  ShardLinks& operator=(const ShardLinks&) = delete;

  ShardPorts ports_of(uint32_t me) {
    ShardPorts p;
    p.commands = commands[me]->get();
    p.notices = notices[me]->get();
    p.to_handshake = to_handshake[me]->get();
    p.from_handshake = from_handshake[me]->get();
    if (!to_streams.empty()) {
      p.to_streams = to_streams[me]->get();
      p.from_streams = from_streams[me]->get();
    }
    for (uint32_t other = 0; other < n; ++other) {
      p.to_peer.push_back(peer[me * n + other]->get());
      p.from_peer.push_back(peer[other * n + me]->get());
      p.home_from_peer.push_back(home[me * n + other]->get());
      p.home_to_peer.push_back(home[other * n + me]->get());
    }
    return p;
  }

  uint32_t n;
  std::vector<std::unique_ptr<OwnedRing<Command>>> commands;
  std::vector<std::unique_ptr<OwnedRing<Notice>>> notices;
  std::vector<std::unique_ptr<OwnedRing<slow::ToHandshake>>> to_handshake;
  std::vector<std::unique_ptr<OwnedRing<slow::FromHandshake>>> from_handshake;
  std::vector<std::unique_ptr<OwnedRing<slow::ToStream>>> to_streams;
  std::vector<std::unique_ptr<OwnedRing<slow::FromStream>>> from_streams;
  /// [lender * n + borrower]
  std::vector<std::unique_ptr<OwnedRing<PeerMessage>>> peer;
  std::vector<std::unique_ptr<OwnedRing<SlotIndex>>> home;
};

}  // namespace sluice::engine
