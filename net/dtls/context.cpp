#include "net/dtls/context.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "net/dtls/callbacks.h"

namespace sluice::dtls {
namespace {

// The certificate is ECDSA, so that suites with RSA authentication could not be chosen anyway.
constexpr const char* kSuites =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305";
constexpr const char* kGroups = "X25519:P-256:P-384";
// OpenSSL takes the first of these that the client has, whatever the client's order.
constexpr const char* kSrtpProfiles = "SRTP_AEAD_AES_128_GCM:SRTP_AEAD_AES_256_GCM:SRTP_AES128_CM_SHA1_80";
/// Of a client's Certificate message; browsers send some 300 bytes.
constexpr long kMaxCertificateList = 16 * 1024;

std::unexpected<Error> refused(const char* what) {
  char why[128] = "no reason given";
  if (const unsigned long code = ERR_peek_last_error(); code != 0) ERR_error_string_n(code, why, sizeof why);
  ERR_clear_error();
  return std::unexpected(
      Error{std::string("OpenSSL refused ") + what + ": " + why,
            "check the OpenSSL installation and its configuration file (openssl version -d)"});
}

Owned<bio_method_st> make_bio_method() {
  Owned<bio_method_st> m(BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "datagrams in memory"));
  if (m == nullptr) return m;
  BIO_meth_set_create(m.get(), Callbacks::bio_create);
  BIO_meth_set_read(m.get(), Callbacks::bio_read);
  BIO_meth_set_write(m.get(), Callbacks::bio_write);
  BIO_meth_set_ctrl(m.get(), Callbacks::bio_ctrl);
  return m;
}

void set_policy(SSL_CTX* ctx) {
  SSL_CTX_set_options(ctx, SSL_OP_NO_QUERY_MTU | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET |
                               SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_NO_COMPRESSION);
  SSL_CTX_clear_options(ctx, SSL_OP_NO_EXTENDED_MASTER_SECRET | SSL_OP_COOKIE_EXCHANGE);
  SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_max_cert_list(ctx, kMaxCertificateList);
  // RFC 8827 §6.5: mutual authentication; the certificate is then known by its fingerprint alone (RFC 8122
  // §6.2).
  SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  SSL_CTX_set_cert_verify_callback(ctx, Callbacks::verify, nullptr);
  SSL_CTX_set_cert_cb(ctx, Callbacks::choose_certificate, nullptr);
}

}  // namespace

void Deleter::operator()(ssl_ctx_st* p) const { SSL_CTX_free(p); }
void Deleter::operator()(x509_st* p) const { X509_free(p); }
void Deleter::operator()(evp_pkey_st* p) const { EVP_PKEY_free(p); }
void Deleter::operator()(bio_method_st* p) const { BIO_meth_free(p); }

std::expected<Context, Error> Context::make(const Identity& identity) {
  ERR_clear_error();
  Owned<ssl_ctx_st> ctx(SSL_CTX_new(DTLS_server_method()));
  Owned<bio_method_st> bio = make_bio_method();
  if (ctx == nullptr || bio == nullptr) return refused("a DTLS server context");
  SSL_CTX* const c = ctx.get();
  if (SSL_CTX_set_min_proto_version(c, DTLS1_2_VERSION) != 1 ||
      SSL_CTX_set_max_proto_version(c, DTLS1_2_VERSION) != 1)
    return refused("DTLS 1.2");
  if (SSL_CTX_set_cipher_list(c, kSuites) != 1) return refused("the cipher suites");
  if (SSL_CTX_set1_groups_list(c, kGroups) != 1) return refused("the curves");
  // 0 is success here, unlike everywhere else.
  if (SSL_CTX_set_tlsext_use_srtp(c, kSrtpProfiles) != 0) return refused("the SRTP profiles");
  if (SSL_CTX_use_certificate(c, identity.certificate()) != 1 ||
      SSL_CTX_use_PrivateKey(c, identity.key()) != 1 || SSL_CTX_check_private_key(c) != 1)
    return refused("the certificate");
  set_policy(c);
  return Context(std::move(ctx), std::move(bio), identity.fingerprint());
}

}  // namespace sluice::dtls
