// A DTLS client (OpenSSL) over memory: for load, and for the tests of the server.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/units.h"
#include "net/dtls/fingerprint.h"
#include "net/dtls/keys.h"

struct ssl_ctx_st;
struct ssl_st;

namespace sluice::client {

using Datagram = std::vector<uint8_t>;

struct ClientOptions {
  /// Chromium's order.
  const char* srtp = "SRTP_AES128_CM_SHA1_80:SRTP_AEAD_AES_256_GCM:SRTP_AEAD_AES_128_GCM";
  const char* ciphers = nullptr;
  const char* groups = nullptr;
  enum class Certificate { p256, rsa, none } certificate = Certificate::p256;
  bool dtls_1_0 = false;
  /// Of a UDP payload; below the size of a flight it cuts messages into fragments. OpenSSL takes no less than
  /// 256.
  long mtu = 1200;
};

class Client {
 public:
  explicit Client(const ClientOptions& options = {});
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void start() { advance(); }
  void input(Bytes datagram);
  /// Sends again if its timer has run out.
  void timeout();
  /// Relative to what gettimeofday() says; empty when no timer runs.
  std::optional<Micros> time_left() const;
  void close();
  void renegotiate();

  bool connected() const { return connected_; }
  bool failed() const { return failed_; }
  bool got_close_notify() const { return closed_; }
  /// AlertDescription of the last alert received; -1 none.
  int alert() const { return alert_; }
  dtls::SrtpKeys keys() const;
  dtls::Fingerprint fingerprint(dtls::HashAlg alg = dtls::HashAlg::sha256) const;
  dtls::Fingerprint server_fingerprint() const;
  /// "ECDHE-ECDSA-AES128-GCM-SHA256"
  const char* cipher() const;
  bool extended_master_secret() const;
  ssl_st* ssl() const { return ssl_.get(); }

  /// Datagrams waiting to be sent, oldest first.
  std::vector<Datagram> take() { return std::exchange(out_, {}); }

 private:
  friend struct ClientBio;
  struct Deleter {
    void operator()(ssl_ctx_st* p) const;
    void operator()(ssl_st* p) const;
  };
  void advance();

  std::unique_ptr<ssl_ctx_st, Deleter> ctx_;
  std::unique_ptr<ssl_st, Deleter> ssl_;
  std::vector<Datagram> out_;
  Bytes in_;
  int alert_ = -1;
  bool connected_ = false;
  bool failed_ = false;
  bool closed_ = false;
};

}  // namespace sluice::client
