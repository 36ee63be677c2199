// What OpenSSL calls back, between context.cpp, which registers it, and server.cpp, which it acts on.
// Private.
#pragma once

#include <optional>

#include <openssl/bio.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "net/dtls/fingerprint.h"

namespace sluice::dtls {

/// Empty for HashAlg::none, or when OpenSSL fails.
std::optional<Fingerprint> fingerprint_of(X509* cert, HashAlg alg);

/// Members of a class so that Server can befriend them. A Server puts its address into the SSL and the BIO at
/// the start of each call, and they are called only inside one.
struct Callbacks {
  static int bio_create(BIO* bio);
  static int bio_read(BIO* bio, char* out, int cap);
  static int bio_write(BIO* bio, const char* data, int n);
  static long bio_ctrl(BIO* bio, int cmd, long number, void* pointer);

  /// In place of chain building: the certificate's hash against the offer's. OpenSSL has no say in the
  /// matter.
  static int verify(X509_STORE_CTX* store, void* unused);
  /// After the ClientHello's extensions were read and before anything is sent.
  static int choose_certificate(SSL* ssl, void* unused);
  static unsigned park_timer(SSL* ssl, unsigned previous_us);
};

}  // namespace sluice::dtls
