// What the RTCP tests share.
#pragma once

#include <cstdint>
#include <list>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "net/rtcp/compound.h"

namespace sluice::rtcp {

using Packet = std::vector<uint8_t>;

inline Packet bytes_of(Bytes b) { return {b.begin(), b.end()}; }

/// The only packet of a datagram.
inline View only(Bytes datagram) {
  CompoundReader reader(datagram);
  View v;
  REQUIRE(reader.next(v));
  View more;
  REQUIRE(!reader.next(more));
  REQUIRE(reader.ok());
  return v;
}

/// Of bytes that nobody else keeps.
inline View only(Packet&& datagram) {
  static std::list<Packet> kept;
  return only(Bytes(kept.emplace_back(std::move(datagram))));
}

/// Fits every size that is too short by writing to each.
template <class F>
void needs_exactly(size_t size, F&& write) {
  std::vector<uint8_t> room(size);
  CHECK(write(MutBytes(room)) == size);
  for (size_t n = 0; n < size; ++n) CHECK(write(MutBytes(room).first(n)) == 0);
}

}  // namespace sluice::rtcp
