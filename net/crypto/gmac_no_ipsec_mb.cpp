#include "net/crypto/gmac_backends.h"

namespace sluice::crypto {

std::expected<std::unique_ptr<GmacKeys::State>, std::string> make_ipsec_mb_gmac(uint32_t) {
  return std::unexpected("ipsec-mb exists for x86-64 only; choose openssl");
}

}  // namespace sluice::crypto
