#include "engine/slow/stream_tls.h"

#include <algorithm>
#include <cerrno>
#include <climits>

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <sys/socket.h>

namespace sluice::slow {
namespace {

std::string openssl_reason() {
  const char* reason = ERR_reason_error_string(ERR_peek_last_error());
  std::string text = reason != nullptr ? reason : "unknown error";
  ERR_clear_error();
  return text;
}

bool again() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

int fd_of(BIO* bio) { return static_cast<int>(reinterpret_cast<intptr_t>(BIO_get_data(bio))); }

// OpenSSL's own socket BIO raises SIGPIPE on a connection that has gone.
int bio_read(BIO* bio, char* out, int cap) {
  BIO_clear_retry_flags(bio);
  const ssize_t n = ::recv(fd_of(bio), out, static_cast<size_t>(cap), 0);
  if (n < 0 && again()) BIO_set_retry_read(bio);
  if (n == 0) BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
  return static_cast<int>(n);
}

int bio_write(BIO* bio, const char* data, int n) {
  BIO_clear_retry_flags(bio);
  const ssize_t sent = ::send(fd_of(bio), data, static_cast<size_t>(n), MSG_NOSIGNAL);
  if (sent < 0 && again()) BIO_set_retry_write(bio);
  return static_cast<int>(sent);
}

long bio_ctrl(BIO* bio, int cmd, long, void*) {
  if (cmd == BIO_CTRL_EOF) return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0 ? 1 : 0;
  return cmd == BIO_CTRL_FLUSH ? 1 : 0;
}

const BIO_METHOD* socket_method() {
  static const BIO_METHOD* const method = [] {
    BIO_METHOD* m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "stream");
    if (m == nullptr) return m;
    BIO_meth_set_read(m, bio_read);
    BIO_meth_set_write(m, bio_write);
    BIO_meth_set_ctrl(m, bio_ctrl);
    return m;
  }();
  return method;
}

}  // namespace

std::expected<TlsContext, io::IoError> TlsContext::make(const std::string& cert_file,
                                                        const std::string& key_file) {
  TlsContext out;
  out.ctx_.reset(SSL_CTX_new(TLS_server_method()));
  SSL_CTX* ctx = out.ctx_.get();
  if (ctx == nullptr || socket_method() == nullptr)
    return std::unexpected(io::IoError{fmt::format("no TLS: {}", openssl_reason()), ""});
  SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
  SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode(
      ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  // Tickets resume sessions; a cache would hold what only they need.
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
  // A key with a passphrase must not make OpenSSL ask the terminal.
  SSL_CTX_set_default_passwd_cb(ctx, [](char*, int, int, void*) { return 0; });
  if (SSL_CTX_use_certificate_chain_file(ctx, cert_file.c_str()) != 1)
    return std::unexpected(io::IoError{
        fmt::format("cannot read the certificate {}: {}", cert_file, openssl_reason()), "give a PEM chain"});
  if (SSL_CTX_use_PrivateKey_file(ctx, key_file.c_str(), SSL_FILETYPE_PEM) != 1)
    return std::unexpected(io::IoError{fmt::format("cannot use the key {} with the certificate {}: {}",
                                                   key_file, cert_file, openssl_reason()),
                                       "give the certificate's own key (PEM, without passphrase)"});
  return out;
}

std::unique_ptr<TlsStream> TlsStream::make(const TlsContext& context, int fd) {
  std::unique_ptr<TlsStream> t(new TlsStream);
  t->ssl_.reset(SSL_new(context.get()));
  BIO* bio = t->ssl_ ? BIO_new(socket_method()) : nullptr;
  if (bio == nullptr) return nullptr;
  BIO_set_data(bio, reinterpret_cast<void*>(intptr_t{fd}));
  BIO_set_init(bio, 1);
  SSL_set_bio(t->ssl_.get(), bio, bio);
  SSL_set_accept_state(t->ssl_.get());
  return t;
}

TlsStream::~TlsStream() {
  if (ssl_ == nullptr || failed_ || !established()) return;
  ERR_clear_error();
  SSL_shutdown(ssl_.get());
}

StreamIoResult TlsStream::result(int n) {
  if (n > 0) return {StreamIo::done, static_cast<size_t>(n)};
  switch (SSL_get_error(ssl_.get(), n)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
      return {StreamIo::wait, 0};
    case SSL_ERROR_ZERO_RETURN:
      return {StreamIo::closed, 0};
    default:
      // RFC 8446 §6.2: after a fatal error nothing more may be said.
      failed_ = true;
      return {StreamIo::failed, 0};
  }
}

StreamIoResult TlsStream::read(MutBytes out) {
  ERR_clear_error();
  return result(SSL_read(ssl_.get(), out.data(), static_cast<int>(std::min<size_t>(out.size(), INT_MAX))));
}

StreamIoResult TlsStream::write(Bytes in) {
  ERR_clear_error();
  return result(SSL_write(ssl_.get(), in.data(), static_cast<int>(std::min<size_t>(in.size(), INT_MAX))));
}

}  // namespace sluice::slow
