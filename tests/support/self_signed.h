// A certificate for TLS that goes with the test.
#pragma once

#include <cstdio>
#include <string>

#include <openssl/pem.h>
#include <openssl/x509.h>

#include "tests/support/temp_folder.h"

namespace sluice::test {

/// A key and a certificate that it signed itself, in a folder of their own.
struct SelfSigned {
  SelfSigned() {
    EVP_PKEY* pair = EVP_EC_gen("P-256");
    X509* x509 = X509_new();
    X509_set_version(x509, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x509), 1);
    X509_gmtime_adj(X509_getm_notBefore(x509), -3600);
    X509_gmtime_adj(X509_getm_notAfter(x509), 3600);
    X509_set_pubkey(x509, pair);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>("localhost"), -1, -1, 0);
    X509_set_issuer_name(x509, X509_get_subject_name(x509));
    X509_sign(x509, pair, EVP_sha256());
    FILE* f = std::fopen(cert().c_str(), "w");
    PEM_write_X509(f, x509);
    std::fclose(f);
    f = std::fopen(key().c_str(), "w");
    PEM_write_PrivateKey(f, pair, nullptr, nullptr, 0, nullptr, nullptr);
    std::fclose(f);
    X509_free(x509);
    EVP_PKEY_free(pair);
  }
  std::string cert() const { return folder / "cert.pem"; }
  std::string key() const { return folder / "key.pem"; }
  TempFolder folder;
};

}  // namespace sluice::test
