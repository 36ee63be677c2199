#include "net/srtp/backends.h"

namespace sluice::srtp {

std::expected<std::unique_ptr<Cipher>, std::string> make_ipsec_mb() {
  return std::unexpected("ipsec-mb exists for x86-64 only; choose openssl");
}

}  // namespace sluice::srtp
