// Constructors of the three backends; only cipher.cpp calls them.
#pragma once

#include <expected>
#include <memory>
#include <string>

#include "net/srtp/cipher.h"

namespace sluice::srtp {

std::expected<std::unique_ptr<Cipher>, std::string> make_ipsec_mb();
std::expected<std::unique_ptr<Cipher>, std::string> make_openssl();
std::expected<std::unique_ptr<Cipher>, std::string> make_libsrtp();

}  // namespace sluice::srtp
