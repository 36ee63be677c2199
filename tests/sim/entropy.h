// OpenSSL's randomness, by seed. One simulation at a time per process.
#pragma once

#include <cstdint>

#include "net/dtls/context.h"

namespace sluice::sim {

/// From here on RAND_bytes and its kin yield the bytes of this seed.
void seed_openssl(uint64_t seed);

/// The server's certificate: the same in every process and for every seed, made on first use. It makes the
/// clients' too, whatever the seed, since those are made once per process.
const dtls::Identity& identity();

}  // namespace sluice::sim
