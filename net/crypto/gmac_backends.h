// Constructors of the ways to compute GMAC; only gmac.cpp calls them.
#pragma once

#include "net/crypto/gmac.h"

namespace sluice::crypto {

std::unique_ptr<GmacKeys::State> make_openssl_gmac(uint32_t places);
std::expected<std::unique_ptr<GmacKeys::State>, std::string> make_ipsec_mb_gmac(uint32_t places);

}  // namespace sluice::crypto
