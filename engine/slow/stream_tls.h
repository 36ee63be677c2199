// TLS as a server over a nonblocking socket, by OpenSSL. Streams worker only.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string>

#include <openssl/ssl.h>

#include "net/base/bytes.h"
#include "net/io/backend.h"

namespace sluice::slow {

/// How far a read or write on a stream got.
enum class StreamIo : uint8_t {
  done,    ///< `n` bytes, at least one
  wait,    ///< the socket is not ready
  closed,  ///< the other side has ended it
  failed,  ///< it is broken, or is no TLS
};
struct StreamIoResult {
  StreamIo state = StreamIo::wait;
  size_t n = 0;
};

/// A certificate with its key, TLS 1.2 and 1.3.
class TlsContext {
 public:
  /// PEM files. The error is for people.
  static std::expected<TlsContext, io::IoError> make(const std::string& cert_file,
                                                     const std::string& key_file);
  SSL_CTX* get() const { return ctx_.get(); }

 private:
  struct Free {
    void operator()(SSL_CTX* c) const { SSL_CTX_free(c); }
  };
  std::unique_ptr<SSL_CTX, Free> ctx_;
};

/// One connection, handshake included. Reads as it needs to and never blocks; `fd` stays the caller's.
class TlsStream {
 public:
  /// Empty when OpenSSL has no memory.
  static std::unique_ptr<TlsStream> make(const TlsContext& context, int fd);
  /// With close_notify, if that can be.
  ~TlsStream();
  TlsStream(const TlsStream&) = delete;
  TlsStream& operator=(const TlsStream&) = delete;

  /// `out` of at least one record (16 KiB): nothing is left behind in OpenSSL then, of which the socket does
  /// not tell.
  StreamIoResult read(MutBytes out);
  StreamIoResult write(Bytes in);
  bool established() const { return SSL_is_init_finished(ssl_.get()) != 0; }
  /// OpenSSL has something of its own to say (a handshake's flight) and the socket was full.
  bool wants_write() const { return SSL_want_write(ssl_.get()) != 0; }

 private:
  TlsStream() = default;
  StreamIoResult result(int n);

  struct Free {
    void operator()(SSL* s) const { SSL_free(s); }
  };
  std::unique_ptr<SSL, Free> ssl_;
  bool failed_ = false;
};

}  // namespace sluice::slow
