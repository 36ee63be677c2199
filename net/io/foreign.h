// Sends datagrams whose source is an endpoint of another host's: a media tier answers clients of a relay
// directly, as the relay. A seam beside Backend: sockets receive as ever, and what is to leave so is handed
// in apart.
#pragma once

#include <expected>
#include <memory>

#include "net/base/drop.h"
#include "net/base/packet.h"
#include "net/base/pool.h"
#include "net/io/backend.h"

namespace sluice::io {

/// One shard's; as a Backend, tied to the thread that calls it.
class ForeignSender {
 public:
  virtual ~ForeignSender() = default;

  /// Sends every packet from `local`, whoever's that is, gives all slots back to the pool and empties `tx`.
  /// Both endpoints are of one family and neither is link-local. What cannot be sent is counted in `drops`
  /// (tx_full, tx_error).
  virtual void send(TxBatch& tx, DropCounters& drops) = 0;
  /// tx_packets, tx_bytes and tx_calls.
  virtual const IoCounters& counters() const = 0;
};

/// The longest payload that a link of 1500 bytes carries whole. Raw sockets do not fragment.
constexpr size_t max_foreign_payload(bool ipv4) { return ipv4 ? 1500 - 28 : 1500 - 48; }

/// By raw sockets, past the host's own idea of what its addresses are. Needs CAP_NET_RAW. `pool` outlives it.
std::expected<std::unique_ptr<ForeignSender>, IoError> make_raw_sender(PacketPool& pool);

}  // namespace sluice::io
