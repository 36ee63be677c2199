// Our certificate, and the OpenSSL configuration that all handshakes share. Made at start on the control
// thread.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <utility>

#include "net/dtls/error.h"
#include "net/dtls/fingerprint.h"

struct ssl_ctx_st;
struct x509_st;
struct evp_pkey_st;
struct bio_method_st;

namespace sluice::dtls {

struct Deleter {
  void operator()(ssl_ctx_st* p) const;
  void operator()(x509_st* p) const;
  void operator()(evp_pkey_st* p) const;
  void operator()(bio_method_st* p) const;
};
template <class T>
using Owned = std::unique_ptr<T, Deleter>;

/// An ECDSA P-256 certificate with its private key. Movable; keep it or not once a Context is made from it.
class Identity {
 public:
  /// A fresh self-signed certificate, valid from a day before `unix_seconds` for ten years (clients check
  /// the fingerprint only). Fails only when OpenSSL does.
  static std::expected<Identity, Error> generate(int64_t unix_seconds);
  /// The first certificate and the private key of two PEM files (one file may be both). Fails when a file
  /// cannot be read, holds something else, is encrypted, is not P-256, or when the two do not belong
  /// together; the error names the file.
  static std::expected<Identity, Error> load(const std::string& cert_file, const std::string& key_file);

  const Fingerprint& fingerprint() const { return fingerprint_; }
  /// SHA-256 of the certificate, "AA:BB:...".
  std::string fingerprint_text() const { return to_text(fingerprint_); }

  x509_st* certificate() const { return cert_.get(); }
  evp_pkey_st* key() const { return key_.get(); }

 private:
  static std::expected<Identity, Error> from(Owned<x509_st> cert, Owned<evp_pkey_st> key);
  Identity(Owned<x509_st> cert, Owned<evp_pkey_st> key, const Fingerprint& fingerprint)
      : cert_(std::move(cert)), key_(std::move(key)), fingerprint_(fingerprint) {}

  Owned<x509_st> cert_;
  Owned<evp_pkey_st> key_;
  Fingerprint fingerprint_;
};

/// SSL_CTX of the server: DTLS 1.2 only, ECDHE with AEAD, X25519/P-256/P-384, client certificate required,
/// SRTP profiles in our order (keys.h), extended master secret, no renegotiation, ticket, session cache,
/// compression or HelloVerifyRequest. Immutable; any number of threads may make Servers from it; it must
/// outlive them.
class Context {
 public:
  static std::expected<Context, Error> make(const Identity& identity);

  const Fingerprint& fingerprint() const { return fingerprint_; }
  ssl_ctx_st* ssl_ctx() const { return ctx_.get(); }
  bio_method_st* bio_method() const { return bio_.get(); }

 private:
  Context(Owned<ssl_ctx_st> ctx, Owned<bio_method_st> bio, const Fingerprint& fingerprint)
      : ctx_(std::move(ctx)), bio_(std::move(bio)), fingerprint_(fingerprint) {}

  Owned<ssl_ctx_st> ctx_;
  Owned<bio_method_st> bio_;
  Fingerprint fingerprint_;
};

}  // namespace sluice::dtls
