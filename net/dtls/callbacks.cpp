#include "net/dtls/callbacks.h"

#include <algorithm>
#include <cstring>

#include "net/dtls/server.h"

namespace sluice::dtls {

int Callbacks::bio_create(BIO* bio) {
  BIO_set_init(bio, 1);
  return 1;
}

int Callbacks::bio_read(BIO* bio, char* out, int cap) {
  auto& self = *static_cast<Server*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  if (self.in_.empty() || cap <= 0) {
    BIO_set_retry_read(bio);
    return -1;
  }
  // As recv() does, what does not fit is lost.
  const size_t n = std::min(self.in_.size(), static_cast<size_t>(cap));
  std::memcpy(out, self.in_.data(), n);
  self.in_ = {};
  return static_cast<int>(n);
}

int Callbacks::bio_write(BIO* bio, const char* data, int n) {
  auto& self = *static_cast<Server*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  self.sent({reinterpret_cast<const uint8_t*>(data), static_cast<size_t>(n)});
  return n;
}

long Callbacks::bio_ctrl(BIO* bio, int cmd, long, void*) {
  switch (cmd) {
    case BIO_CTRL_FLUSH:
      return 1;
    case BIO_CTRL_DGRAM_QUERY_MTU:
    case BIO_CTRL_DGRAM_GET_MTU:
      return static_cast<long>(kMtu);
    case BIO_CTRL_PENDING:
      return static_cast<long>(static_cast<Server*>(BIO_get_data(bio))->in_.size());
    default:
      return 0;
  }
}

int Callbacks::verify(X509_STORE_CTX* store, void*) {
  const auto* ssl =
      static_cast<const SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  auto& self = *static_cast<Server*>(SSL_get_app_data(ssl));
  const auto seen = fingerprint_of(X509_STORE_CTX_get0_cert(store), self.expected_.alg);
  self.verified_ = seen && equal(*seen, self.expected_);
  // An alert bad_certificate follows from this.
  X509_STORE_CTX_set_error(store, self.verified_ ? X509_V_OK : X509_V_ERR_CERT_REJECTED);
  return self.verified_ ? 1 : 0;
}

int Callbacks::choose_certificate(SSL* ssl, void*) {
  if (SSL_get_selected_srtp_profile(ssl) != nullptr) return 1;
  static_cast<Server*>(SSL_get_app_data(ssl))->failure_ = Failure::no_srtp_profile;
  return 0;
}

/// The longest that is sure to fit into what OpenSSL does with it: beyond kHandshakeLimit, so it never fires.
unsigned Callbacks::park_timer(SSL*, unsigned) { return 3'600'000'000; }

}  // namespace sluice::dtls
