#include "tools/client/dtls.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <stdexcept>
#include <string_view>
#include <utility>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/srtp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/time.h>

namespace sluice::client {
namespace {

void must(bool ok, const char* what) {
  if (!ok) throw std::runtime_error(what);
}

struct Pair {
  X509* cert = nullptr;
  EVP_PKEY* key = nullptr;
};

Pair make_pair_of(ClientOptions::Certificate kind) {
  Pair p;
  p.key = kind == ClientOptions::Certificate::rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");
  p.cert = X509_new();
  must(p.key != nullptr && p.cert != nullptr, "key");
  ASN1_INTEGER_set(X509_get_serialNumber(p.cert), 1);
  // Long expired: only the fingerprint counts.
  ASN1_TIME_set(X509_getm_notBefore(p.cert), 1'000'000);
  ASN1_TIME_set(X509_getm_notAfter(p.cert), 2'000'000);
  X509_set_pubkey(p.cert, p.key);
  must(X509_sign(p.cert, p.key, EVP_sha256()) > 0, "sign");
  return p;
}

const Pair& pair_of(ClientOptions::Certificate kind) {
  // Made once, RSA keys take long; never freed, since OpenSSL cleans itself up before static objects go.
  static auto* const made = new std::map<ClientOptions::Certificate, Pair>;
  const auto [it, fresh] = made->try_emplace(kind);
  if (fresh) it->second = make_pair_of(kind);
  return it->second;
}

dtls::Fingerprint hash(X509* cert, dtls::HashAlg alg) {
  dtls::Fingerprint f{alg, {}};
  const EVP_MD* md = alg == dtls::HashAlg::sha256   ? EVP_sha256()
                     : alg == dtls::HashAlg::sha384 ? EVP_sha384()
                                                    : EVP_sha512();
  must(X509_digest(cert, md, f.digest.data(), nullptr) == 1, "digest");
  return f;
}

}  // namespace

struct ClientBio {
  static Client& self(BIO* b) { return *static_cast<Client*>(BIO_get_data(b)); }
  static int create(BIO* b) {
    BIO_set_init(b, 1);
    return 1;
  }
  static int read(BIO* b, char* out, int cap) {
    BIO_clear_retry_flags(b);
    Client& c = self(b);
    if (c.in_.empty()) {
      BIO_set_retry_read(b);
      return -1;
    }
    const size_t n = std::min(c.in_.size(), static_cast<size_t>(cap));
    std::memcpy(out, c.in_.data(), n);
    c.in_ = {};
    return static_cast<int>(n);
  }
  static int write(BIO* b, const char* data, int n) {
    self(b).out_.emplace_back(data, data + n);
    return n;
  }
  static long ctrl(BIO*, int cmd, long, void*) { return cmd == BIO_CTRL_FLUSH ? 1 : 0; }
  static BIO_METHOD* method() {
    static BIO_METHOD* const m = [] {
      BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "client");
      BIO_meth_set_create(made, create);
      BIO_meth_set_read(made, read);
      BIO_meth_set_write(made, write);
      BIO_meth_set_ctrl(made, ctrl);
      return made;
    }();
    return m;
  }
  static void info(const SSL* ssl, int where, int value) {
    if ((where & SSL_CB_READ_ALERT) == SSL_CB_READ_ALERT)
      static_cast<Client*>(SSL_get_app_data(ssl))->alert_ = value & 0xff;
  }
};

void Client::Deleter::operator()(ssl_ctx_st* p) const { SSL_CTX_free(p); }
void Client::Deleter::operator()(ssl_st* p) const { SSL_free(p); }

Client::Client(const ClientOptions& o) : ctx_(SSL_CTX_new(DTLS_client_method())) {
  SSL_CTX* const c = ctx_.get();
  SSL_CTX_set_options(c, SSL_OP_NO_QUERY_MTU);
  SSL_CTX_set_security_level(c, 0);
  if (o.dtls_1_0) SSL_CTX_set_max_proto_version(c, DTLS1_VERSION);
  if (o.ciphers != nullptr) must(SSL_CTX_set_cipher_list(c, o.ciphers) == 1, o.ciphers);
  if (o.groups != nullptr) must(SSL_CTX_set1_groups_list(c, o.groups) == 1, o.groups);
  if (o.srtp != nullptr) must(SSL_CTX_set_tlsext_use_srtp(c, o.srtp) == 0, o.srtp);
  if (o.certificate != ClientOptions::Certificate::none) {
    const Pair& p = pair_of(o.certificate);
    must(SSL_CTX_use_certificate(c, p.cert) == 1 && SSL_CTX_use_PrivateKey(c, p.key) == 1, "pair");
  }
  ssl_.reset(SSL_new(c));
  BIO* const bio = BIO_new(ClientBio::method());
  BIO_set_data(bio, this);
  SSL_set_bio(ssl_.get(), bio, bio);
  SSL_set_app_data(ssl_.get(), this);
  SSL_set_info_callback(ssl_.get(), ClientBio::info);
  SSL_set_connect_state(ssl_.get());
  SSL_set_mtu(ssl_.get(), o.mtu);
  // As browsers do: well below OpenSSL's second.
  DTLS_set_timer_cb(
      ssl_.get(), [](SSL*, unsigned last) { return last == 0 ? 100'000u : std::min(last * 2, 1'600'000u); });
}
Client::~Client() = default;

void Client::input(Bytes datagram) {
  in_ = datagram;
  advance();
  in_ = {};
}

void Client::advance() {
  ERR_clear_error();
  if (failed_ || closed_) return;
  int r = 0;
  if (!connected_) {
    r = SSL_do_handshake(ssl_.get());
    if (r == 1) connected_ = true;
  }
  if (connected_) {
    char discard[64];
    do r = SSL_read(ssl_.get(), discard, sizeof discard);
    while (r > 0);
  }
  const int error = SSL_get_error(ssl_.get(), r);
  if (error == SSL_ERROR_ZERO_RETURN)
    closed_ = true;
  else if (error != SSL_ERROR_WANT_READ)
    failed_ = true;
}

void Client::timeout() {
  ERR_clear_error();
  if (DTLSv1_handle_timeout(ssl_.get()) < 0) failed_ = true;
}

std::optional<Micros> Client::time_left() const {
  timeval left{};
  if (connected_ || failed_ || DTLSv1_get_timeout(ssl_.get(), &left) != 1) return std::nullopt;
  return Micros{left.tv_sec * 1'000'000 + left.tv_usec};
}

void Client::close() { SSL_shutdown(ssl_.get()); }
void Client::renegotiate() {
  SSL_renegotiate(ssl_.get());
  SSL_do_handshake(ssl_.get());
}

dtls::SrtpKeys Client::keys() const {
  dtls::SrtpKeys k;
  const SRTP_PROTECTION_PROFILE* const p = SSL_get_selected_srtp_profile(ssl_.get());
  if (p == nullptr) return k;
  k.profile = static_cast<uint16_t>(p->id);
  k.key_len = p->id == SRTP_AEAD_AES_256_GCM ? 32 : 16;
  k.salt_len = p->id == SRTP_AES128_CM_SHA1_80 ? 14 : 12;
  std::array<uint8_t, 92> m{};
  constexpr std::string_view kLabel = "EXTRACTOR-dtls_srtp";
  must(SSL_export_keying_material(ssl_.get(), m.data(), 2u * (k.key_len + k.salt_len), kLabel.data(),
                                  kLabel.size(), nullptr, 0, 0) == 1,
       "export");
  const uint8_t* at = m.data();
  std::copy_n(at, k.key_len, k.client_key_bytes.begin()), at += k.key_len;
  std::copy_n(at, k.key_len, k.server_key_bytes.begin()), at += k.key_len;
  std::copy_n(at, k.salt_len, k.client_salt_bytes.begin()), at += k.salt_len;
  std::copy_n(at, k.salt_len, k.server_salt_bytes.begin());
  return k;
}

dtls::Fingerprint Client::fingerprint(dtls::HashAlg alg) const {
  X509* const cert = SSL_get_certificate(ssl_.get());
  return cert == nullptr ? dtls::Fingerprint{} : hash(cert, alg);
}

dtls::Fingerprint Client::server_fingerprint() const {
  X509* const cert = SSL_get0_peer_certificate(ssl_.get());
  return cert == nullptr ? dtls::Fingerprint{} : hash(cert, dtls::HashAlg::sha256);
}

const char* Client::cipher() const { return SSL_get_cipher_name(ssl_.get()); }
bool Client::extended_master_secret() const { return SSL_get_extms_support(ssl_.get()) == 1; }

}  // namespace sluice::client
