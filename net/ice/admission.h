// Budgets for addresses that have proven nothing, per /24 (IPv4) and /56 (IPv6). Pure; the memory is handed
// in; one shard's, one thread.
//
// Policy
// - Charge what an unproven address makes us spend: the bytes of a reply or a DTLS flight, and for a check
//   whose ufrag opened (a forged one is dropped before, at the price of one AES block) the price of its HMAC
//   in bytes. Proven paths are never charged.
// - The table has a fixed number of lines of 64 bytes, one looked at per call: three prefixes with a bucket
//   each, and one bucket that all other prefixes of the line share.
// - A prefix keeps its place while its bucket is not full; a full bucket is the same as none, so only such a
//   place is given to a newcomer and nothing is forgotten. A flood from however many prefixes therefore
//   evicts nobody who is being served. A newcomer that meets a line of busy prefixes draws from the line's
//   shared bucket, which has the same rate and burst: newcomers get slower, served ones do not notice.
// - The hash is keyed, so nobody can aim at another prefix's line.
// The total that may go to unproven addresses is at most 4 x rate x lines.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "net/base/endpoint.h"
#include "net/base/siphash.h"
#include "net/base/token_bucket.h"
#include "net/base/units.h"

namespace sluice::ice {

struct AdmissionConfig {
  uint32_t bytes_per_second = 512 * 1024;  ///< refill of one bucket; not 0
  uint32_t burst_bytes = 2048 * 1024;      ///< content of a full bucket; at most 2^30
};

class Admission {
 public:
  struct alignas(64) Line {
    struct Bucket {
      uint32_t tag = 0;  ///< 0: free
      TokenBucket budget;
    };
    std::array<Bucket, 3> own;
    Bucket shared;
  };
  static_assert(sizeof(Line) == 64);

  Admission() = default;
  /// `memory`: zeroed lines, a power of two of them; must outlive this. `seed`: secret.
  Admission(std::span<Line> memory, HashSeed seed, const AdmissionConfig& config);

  /// True and charged if the prefix of `remote` has `bytes` left, else false and not charged
  /// (Drop::rate_limited). Without memory everything is admitted.
  bool admit(const Address& remote, uint32_t bytes, Micros now);
  /// Gives back what admit() charged, because the address has proven itself; no effect if its bucket has
  /// gone.
  void refund(const Address& remote, uint32_t bytes, Micros now);

 private:
  std::span<Line> lines_;
  HashSeed seed_;
  TokenRate rate_;
};

}  // namespace sluice::ice
