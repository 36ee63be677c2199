#include "net/crypto/random.h"

#include <algorithm>
#include <climits>
#include <cstdlib>
#include <cstring>

#include <openssl/rand.h>

#include "net/crypto/cipher_context.h"
#include "net/crypto/secret.h"

namespace sluice::crypto {
namespace {

StreamRandom::Seed seed_from(Random source) {
  StreamRandom::Seed seed;
  source.fill(seed);
  return seed;
}

StreamRandom::Seed seed_from(uint64_t number) {
  StreamRandom::Seed seed{};
  store_be<uint64_t>(seed.data(), number);
  return seed;
}

constexpr size_t kKeyBytes = 32;  // of AES-256; the rest of the seed is the first counter block

}  // namespace

Random system_random() {
  static const char kNoState = 0;
  return {.self = const_cast<char*>(&kNoState), .fill_fn = [](void*, MutBytes out) {
            while (!out.empty()) {
              const size_t n = std::min<size_t>(out.size(), INT_MAX);
              if (RAND_bytes(out.data(), static_cast<int>(n)) != 1) std::abort();
              out = out.subspan(n);
            }
          }};
}

// Draws are small, so key stream is made ahead; what was handed out is overwritten.
struct StreamRandom::State {
  CipherContext cipher;
  std::array<uint8_t, 512> ahead{};
  size_t used = sizeof ahead;

  void fill(MutBytes out) {
    for (size_t at = 0, n = 0; at < out.size(); at += n, used += n) {
      if (used == ahead.size()) {
        ahead.fill(0);
        cipher_update(cipher.get(), ahead.data(), ahead.data(), static_cast<int>(ahead.size()));
        used = 0;
      }
      n = std::min(out.size() - at, ahead.size() - used);
      std::memcpy(&out[at], &ahead[used], n);
      cleanse({&ahead[used], n});
    }
  }
};

void StreamRandom::Free::operator()(State* s) const {
  cleanse(s->ahead);
  delete s;
}

StreamRandom::StreamRandom(const Seed& seed)
    : state_(new State{.cipher = make_cipher(EVP_aes_256_ctr(), Bytes(seed).first(kKeyBytes),
                                             seed.data() + kKeyBytes, true)}) {}

StreamRandom::StreamRandom(Random source) : StreamRandom(seed_from(source)) {}

StreamRandom::StreamRandom(uint64_t seed) : StreamRandom(seed_from(seed)) {}

void StreamRandom::fill(MutBytes out) { state_->fill(out); }

Random StreamRandom::view() {
  return {.self = state_.get(),
          .fill_fn = [](void* self, MutBytes out) { static_cast<State*>(self)->fill(out); }};
}

}  // namespace sluice::crypto
