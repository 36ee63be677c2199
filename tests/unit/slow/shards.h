// Shards that do nothing but pass datagrams between real DTLS clients and the handshake worker, in virtual
// time.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <vector>

#include "engine/slow/handshake_worker.h"
#include "net/base/ring.h"
#include "net/dtls/record.h"
#include "tests/unit/dtls/call.h"

namespace sluice::test {

/// A ring with its memory.
template <class T>
class RingOf {
 public:
  explicit RingOf(uint32_t capacity)
      : memory_(static_cast<std::byte*>(::operator new(SpscRing<T>::size_for(capacity), kAlign))),
        ring_({memory_.get(), SpscRing<T>::size_for(capacity)}, capacity) {}
  SpscRing<T>& operator*() { return ring_; }
  SpscRing<T>* operator->() { return &ring_; }
  std::span<const std::byte> memory() const {
    return {memory_.get(), SpscRing<T>::size_for(ring_.capacity())};
  }

 private:
  static constexpr std::align_val_t kAlign{64};
  struct Free {
    void operator()(std::byte* p) const { ::operator delete(p, kAlign); }
  };
  std::unique_ptr<std::byte, Free> memory_;
  SpscRing<T> ring_;
};

/// What a shard knows about one session.
struct Peer {
  explicit Peer(const ClientOptions& o = {}) : client(o) {}
  Client client;
  std::optional<dtls::SrtpKeys> keys;
  std::optional<dtls::Failure> failed;
  Datagram last_flight, close_notify;
  int closed = 0;
  int datagrams = 0;
};

class Shard {
 public:
  explicit Shard(uint32_t in_capacity = 256, uint32_t out_capacity = 256)
      : in(in_capacity), out(out_capacity) {}

  slow::HandshakePort port() {
    return {&*in, &*out, {[](void* self) { ++static_cast<Shard*>(self)->wakes; }, this}};
  }
  Peer& add(uint64_t id, const ClientOptions& o = {}) {
    return *peers.try_emplace(id, std::make_unique<Peer>(o)).first->second;
  }
  bool start(uint64_t id, const dtls::Fingerprint& f, bool keep_ssl = false) {
    message_.set_start(id, f, keep_ssl);
    return in->try_push(message_);
  }
  bool start(uint64_t id, bool keep_ssl = false) {
    return start(id, peers.at(id)->client.fingerprint(), keep_ssl);
  }
  bool datagram(uint64_t id, Bytes bytes) {
    return message_.set_datagram(id, bytes) && in->try_push(message_);
  }
  bool close(uint64_t id) {
    message_.set_close(id);
    return in->try_push(message_);
  }
  /// Everything that the clients have to say goes to the worker.
  void forward() {
    for (auto& [id, p] : peers)
      for (const Datagram& d : p->client.take())
        if (!p->keys || keep) datagram(id, d);
  }
  /// Takes at most `max` messages from the worker.
  size_t receive(size_t max = SIZE_MAX) {
    return slow::take_from_handshake(*out, max, [this](const slow::FromHandshake& m) { on(m); });
  }

  RingOf<slow::ToHandshake> in;
  RingOf<slow::FromHandshake> out;
  std::map<uint64_t, std::unique_ptr<Peer>> peers;
  bool keep = false;  ///< datagrams of connected clients go to the worker, too
  int wakes = 0;

 private:
  void on(const slow::FromHandshake& m) {
    Peer& p = *peers.at(m.session);
    using Type = slow::FromHandshake::Type;
    switch (m.type) {
      case Type::datagram:
        ++p.datagrams, p.client.input(m.bytes());
        break;
      case Type::connected:
        p.keys = m.keys;
        p.last_flight.assign(m.last_flight().begin(), m.last_flight().end());
        p.close_notify.assign(m.close_notify().begin(), m.close_notify().end());
        break;
      case Type::failed:
        p.failed = m.failure;
        break;
      case Type::closed:
        ++p.closed;
        break;
    }
  }

  slow::ToHandshake message_;
};

}  // namespace sluice::test
