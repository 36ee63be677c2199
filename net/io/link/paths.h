// The rings between one transmitter and the thread that resolves paths for it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "net/base/endpoint.h"
#include "net/base/ring.h"
#include "net/io/link/hops.h"
#include "net/io/link/ways.h"
#include "net/io/waker.h"

namespace sluice::io::link {

struct PathQuery {
  Address source;
  Address destination;
};

/// The answer to a query. Without `suited` packets go by their sockets until the generation changes.
struct PathAnswer {
  PathQuery query;
  uint32_t generation = 0;  ///< read before the kernel was asked
  HopRef to;
  bool suited = false;
};
static_assert(std::is_trivially_copyable_v<PathAnswer>);

/// The transmitter produces queries and consumes answers and ways.
struct ShardPaths {
  static constexpr uint32_t kRing = 256, kWaysRing = 2;

  ShardPaths(HopTable& table, Waker& w) : hops(table), waker(w) {
    queries.attach(query_memory, kRing);
    answers.attach(answer_memory, kRing);
    ways.attach(ways_memory, kWaysRing);
  }
  ShardPaths(const ShardPaths&) = delete;
  ShardPaths& operator=(const ShardPaths&) = delete;

  HopTable& hops;  ///< the transmitter takes marks of validation off and writes nothing else
  Waker& waker;    ///< to be woken after a query
  SpscRing<PathQuery> queries;
  SpscRing<PathAnswer> answers;
  SpscRing<Ways> ways;    ///< the newest last
  bool owed_ways = true;  ///< the other thread's: there was no room for the newest

 private:
  alignas(64) std::byte query_memory[SpscRing<PathQuery>::size_for(kRing)];
  alignas(64) std::byte answer_memory[SpscRing<PathAnswer>::size_for(kRing)];
  alignas(64) std::byte ways_memory[SpscRing<Ways>::size_for(kWaysRing)];
};

}  // namespace sluice::io::link
