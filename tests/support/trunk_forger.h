// Trunk datagrams of somebody who has the key and none of the manners: any header, any body, a good tag.
#pragma once

#include <vector>

#include "net/crypto/gmac.h"
#include "net/crypto/hmac.h"
#include "net/trunk/keys.h"
#include "net/trunk/wire.h"

namespace sluice::test {

class TrunkForger {
 public:
  explicit TrunkForger(const trunk::Key& key) : key_(key) {}

  /// `a`: between whom the receiver believes it to be sent.
  std::vector<uint8_t> sealed(trunk::Purpose purpose, const trunk::Association& a, const trunk::Header& h,
                              Bytes body) {
    std::vector<uint8_t> out(trunk::kHeaderBytes + body.size() + trunk::kTagBytes);
    trunk::write_header(out.data(), h);
    std::copy_n(body.data(), body.size(), out.data() + trunk::kHeaderBytes);
    const trunk::SubKey sub = trunk::derive(crypto::kPrimitives, key_, purpose, a);
    const crypto::Gmac gmac = gmac_.view();
    gmac.set_key(0, sub.key.data());
    const size_t n = out.size() - trunk::kTagBytes;
    gmac.tag(0, trunk::nonce(sub.salt, h.sequence).data(), Bytes(out).first(n), out.data() + n);
    return out;
  }
  std::vector<uint8_t> sealed(trunk::Purpose purpose, const trunk::Association& a, const trunk::Header& h,
                              const trunk::Status& s) {
    std::array<uint8_t, trunk::kStatusBytes> body;
    trunk::write_status(body.data(), s);
    return sealed(purpose, a, h, body);
  }

 private:
  trunk::Key key_;
  crypto::GmacKeys gmac_ = std::move(*crypto::GmacKeys::make(crypto::GmacKeys::Kind::openssl, 1));
};

}  // namespace sluice::test
