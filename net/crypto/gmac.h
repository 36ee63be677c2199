// AES-128-GMAC under many keys. Tame: all contexts are allocated by make(), setting a key and computing a tag
// allocate nothing.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string>

#include "net/crypto/primitives.h"

namespace sluice::crypto {

/// One per shard, one thread at a time. Movable; keys are overwritten when it is destroyed.
class GmacKeys {
 public:
  enum class Kind : uint8_t {
    automatic,  ///< ipsec_mb where the CPU has AES and carry-less multiplication, else openssl
    ipsec_mb,   ///< 1 KiB a place; 1 400 bytes take some 60 ns with VAES
    openssl,
  };

  /// `places`: 1..65536 keys. An error says in words what the machine lacks; `automatic` never fails. Throws
  /// std::bad_alloc.
  static std::expected<GmacKeys, std::string> make(Kind kind, uint32_t places);

  Kind kind() const;
  /// For pure code; valid while this object exists. Survives a move.
  Gmac view();

  /// What the kinds have in common; private to net/crypto.
  struct State {
    virtual ~State() = default;
    virtual Kind kind() const = 0;
    virtual Gmac view() = 0;
  };

 private:
  explicit GmacKeys(std::unique_ptr<State> state) : state_(std::move(state)) {}
  std::unique_ptr<State> state_;
};

}  // namespace sluice::crypto
