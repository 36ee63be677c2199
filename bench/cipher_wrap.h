// A cipher in front of a cipher: what a benchmark sees of the calls that the engine makes. Session keys come
// from a master key (Cipher::init) only.
#pragma once

#include <memory>
#include <utility>

#include "net/srtp/cipher.h"

namespace sluice::bench {

class CipherWrap : public srtp::Cipher {
 public:
  explicit CipherWrap(std::unique_ptr<srtp::Cipher> inner) : inner_(std::move(inner)) {}

  srtp::Kind kind() const override { return inner_->kind(); }
  size_t context_bytes(srtp::Profile p) const override { return inner_->context_bytes(p); }
  void seal(std::span<srtp::CipherOp> ops) override { inner_->seal(ops); }
  void open(std::span<srtp::CipherOp> ops) override { inner_->open(ops); }
  void prefetch(const std::byte* context, srtp::Profile p) const override { inner_->prefetch(context, p); }

 protected:
  srtp::Cipher& inner() { return *inner_; }
  const srtp::Cipher& inner() const { return *inner_; }

  bool do_init(std::byte* context, const srtp::SessionKeys& keys, const srtp::MasterKey* master,
               srtp::Direction direction) override {
    Salts unused;
    return master != nullptr &&
           inner_->init({context, inner_->context_bytes(keys.profile)}, *master, direction, unused);
  }
  void do_release(std::byte* context, srtp::Profile p) override {
    inner_->release({context, inner_->context_bytes(p)}, p);
  }

 private:
  std::unique_ptr<srtp::Cipher> inner_;
};

}  // namespace sluice::bench
