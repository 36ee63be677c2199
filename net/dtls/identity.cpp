#include <cerrno>
#include <cstring>
#include <string_view>

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>

#include "net/dtls/callbacks.h"
#include "net/dtls/context.h"

namespace sluice::dtls {
namespace {

struct BioDeleter {
  void operator()(BIO* p) const { BIO_free(p); }
};
using OwnedBio = std::unique_ptr<BIO, BioDeleter>;

std::unexpected<Error> error(std::string message, std::string_view fix) {
  ERR_clear_error();
  return std::unexpected(Error{std::move(message), std::string(fix)});
}

constexpr std::string_view kMakePair =
    "make a pair: openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj "
    "/CN=sluice -keyout key.pem -out cert.pem";

bool is_p256(EVP_PKEY* key) {
  char group[32] = "";
  return EVP_PKEY_is_a(key, "EC") == 1 && EVP_PKEY_get_group_name(key, group, sizeof group, nullptr) == 1 &&
         std::string_view(group) == "prime256v1";
}

std::expected<OwnedBio, Error> open_file(const std::string& path, std::string_view what) {
  errno = 0;
  OwnedBio bio(BIO_new_file(path.c_str(), "r"));
  if (bio == nullptr)
    return error("cannot read the DTLS " + std::string(what) + " file " + path + ": " + std::strerror(errno),
                 "name a file that exists and that this user may read");
  return bio;
}

/// Called only for an encrypted key: a server has nobody to ask for a passphrase.
int no_passphrase(char*, int, int, void* encrypted) {
  *static_cast<bool*>(encrypted) = true;
  return -1;
}

std::expected<Owned<x509_st>, Error> load_certificate(const std::string& path) {
  auto bio = open_file(path, "certificate");
  if (!bio) return std::unexpected(bio.error());
  Owned<x509_st> cert(PEM_read_bio_X509(bio->get(), nullptr, nullptr, nullptr));
  if (cert == nullptr)
    return error("the DTLS certificate file " + path + " holds no PEM certificate", kMakePair);
  EVP_PKEY* const key = X509_get0_pubkey(cert.get());
  if (key == nullptr || !is_p256(key))
    return error("the certificate in " + path + " is not for an ECDSA P-256 key", kMakePair);
  return cert;
}

std::expected<Owned<evp_pkey_st>, Error> load_key(const std::string& path) {
  auto bio = open_file(path, "key");
  if (!bio) return std::unexpected(bio.error());
  bool encrypted = false;
  Owned<evp_pkey_st> key(PEM_read_bio_PrivateKey(bio->get(), nullptr, no_passphrase, &encrypted));
  if (encrypted)
    return error("the private key in " + path + " is encrypted",
                 "decrypt it (openssl pkey -in key.pem -out plain.pem) and protect the file by its mode");
  if (key == nullptr) return error("the DTLS key file " + path + " holds no PEM private key", kMakePair);
  if (!is_p256(key.get())) return error("the private key in " + path + " is not ECDSA P-256", kMakePair);
  return key;
}

constexpr int64_t kDay = 24 * 3600;

/// Self-signed. Nobody checks the dates of WebRTC certificates, and a process may run for years.
bool fill_in(X509* cert, EVP_PKEY* key, int64_t unix_seconds) {
  uint64_t serial = 0;
  if (RAND_bytes(reinterpret_cast<uint8_t*>(&serial), sizeof serial) != 1) return false;
  X509_NAME* const name = X509_get_subject_name(cert);
  constexpr std::string_view kName = "sluice";
  return X509_set_version(cert, X509_VERSION_3) == 1 &&
         ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert), serial >> 1 | 1) == 1 &&
         ASN1_TIME_set(X509_getm_notBefore(cert), unix_seconds - kDay) != nullptr &&
         ASN1_TIME_set(X509_getm_notAfter(cert), unix_seconds + 3650 * kDay) != nullptr &&
         X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const uint8_t*>(kName.data()),
                                    static_cast<int>(kName.size()), -1, 0) == 1 &&
         X509_set_issuer_name(cert, name) == 1 && X509_set_pubkey(cert, key) == 1 &&
         X509_sign(cert, key, EVP_sha256()) > 0;
}

}  // namespace

std::optional<Fingerprint> fingerprint_of(X509* cert, HashAlg alg) {
  Fingerprint f{alg, {}};
  const EVP_MD* const md = alg == HashAlg::sha256   ? EVP_sha256()
                           : alg == HashAlg::sha384 ? EVP_sha384()
                           : alg == HashAlg::sha512 ? EVP_sha512()
                                                    : nullptr;
  unsigned n = 0;
  if (md == nullptr || X509_digest(cert, md, f.digest.data(), &n) != 1 || n != digest_size(alg))
    return std::nullopt;
  return f;
}

std::expected<Identity, Error> Identity::from(Owned<x509_st> cert, Owned<evp_pkey_st> key) {
  const auto f = fingerprint_of(cert.get(), HashAlg::sha256);
  if (!f) return error("OpenSSL cannot hash the DTLS certificate", "check the OpenSSL installation");
  return Identity(std::move(cert), std::move(key), *f);
}

std::expected<Identity, Error> Identity::generate(int64_t unix_seconds) {
  Owned<evp_pkey_st> key(EVP_EC_gen("P-256"));
  Owned<x509_st> cert(X509_new());
  if (key == nullptr || cert == nullptr || !fill_in(cert.get(), key.get(), unix_seconds))
    return error("OpenSSL cannot make an ECDSA P-256 certificate", "check the OpenSSL installation");
  return from(std::move(cert), std::move(key));
}

std::expected<Identity, Error> Identity::load(const std::string& cert_file, const std::string& key_file) {
  auto cert = load_certificate(cert_file);
  if (!cert) return std::unexpected(cert.error());
  auto key = load_key(key_file);
  if (!key) return std::unexpected(key.error());
  if (X509_check_private_key(cert->get(), key->get()) != 1)
    return error("the private key in " + key_file + " does not belong to the certificate in " + cert_file,
                 "give the two files of one pair");
  return from(std::move(*cert), std::move(*key));
}

}  // namespace sluice::dtls
