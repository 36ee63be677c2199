#include "engine/control/http/server.h"

#include <array>
#include <csignal>
#include <cstring>
#include <map>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "engine/control/http/connection.h"
#include "engine/control/log.h"

namespace sluice::http {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);
// sluice_poll_events() wants to be called at least once a second.
constexpr std::chrono::milliseconds kTick{500};
constexpr std::chrono::milliseconds kAcceptPause{100};

std::string openssl_reason() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  if (ERR_SYSTEM_ERROR(code)) return std::strerror(ERR_GET_REASON(code));
  const char* reason = ERR_reason_error_string(code);
  return reason != nullptr ? reason : "unknown error";
}

std::expected<std::unique_ptr<asio::ssl::context>, std::string> make_tls(const ServerOptions& options) {
  auto tls = std::make_unique<asio::ssl::context>(asio::ssl::context::tls_server);
  SSL_CTX* ctx = tls->native_handle();
  SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
  SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
  // An encrypted key is refused instead of asking for its password on a terminal that nobody watches.
  SSL_CTX_set_default_passwd_cb(ctx, [](char*, int, int, void*) { return 0; });
  if (SSL_CTX_use_certificate_chain_file(ctx, options.cert_file.c_str()) != 1)
    return std::unexpected(
        fmt::format("--http-cert: cannot read the certificate {}: {}", options.cert_file, openssl_reason()));
  if (SSL_CTX_use_PrivateKey_file(ctx, options.key_file.c_str(), SSL_FILETYPE_PEM) != 1)
    return std::unexpected(fmt::format("--http-key: cannot use the key {} with the certificate {}: {}",
                                       options.key_file, options.cert_file, openssl_reason()));
  return tls;
}

tcp::endpoint to_asio(const Endpoint& e) {
  if (e.is_v4()) return {asio::ip::address_v4(e.addr.v4_host_order()), e.port};
  return {asio::ip::address_v6(e.addr.b), e.port};
}

class ServerImpl final : public Server {
 public:
  ServerImpl(sluice_engine* engine, Service& service, const ServerOptions& options, Hooks hooks)
      : engine_(engine), service_(service), options_(options), hooks_(std::move(hooks)) {}
  ~ServerImpl() override {
    if (events_.is_open()) events_.release();  // the engine owns it
  }

  std::expected<void, std::string> start() {
    if (!options_.cert_file.empty()) {
      auto tls = make_tls(options_);
      if (!tls) return std::unexpected(tls.error());
      tls_ = std::move(*tls);
    }
    const tcp::endpoint at = to_asio(options_.listen);
    error_code error;
    acceptor_.open(at.protocol(), error);
    if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error && at.address().is_v6() && at.address().to_v6().is_unspecified())
      acceptor_.set_option(asio::ip::v6_only(false), error);
    if (!error) acceptor_.bind(at, error);
    if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
    if (error) {
      EndpointText text;
      return std::unexpected(fmt::format("--http: cannot listen on {}: {}; choose another address or port",
                                         format(options_.listen, text), error.message()));
    }
    signals_.add(SIGTERM);
    signals_.add(SIGINT);
    asio::co_spawn(io_, accept_loop(), asio::detached);
    asio::co_spawn(io_, signal_loop(), asio::detached);
    asio::co_spawn(io_, tick_loop(), asio::detached);
    if (engine_ == nullptr) return {};
    events_.assign(sluice_event_fd(engine_));
    asio::co_spawn(io_, event_loop(), asio::detached);
    return {};
  }

  Endpoint local() const override { return to_endpoint(acceptor_.local_endpoint()); }
  void run() override { io_.run(); }
  void stop() override { io_.stop(); }

 private:
  /// Counts a connection for as long as it lives.
  struct Slot {
    ServerImpl& server;
    Address address;
    Slot(ServerImpl& s, const Address& a) : server(s), address(a) {
      ++server.connections_;
      ++server.by_address_[address];
    }
    Slot(const Slot&) = delete;
    Slot& operator=(const Slot&) = delete;
    ~Slot() {
      --server.connections_;
      if (--server.by_address_[address] == 0) server.by_address_.erase(address);
    }
  };

  bool has_room(const Address& address) const {
    if (connections_ >= options_.max_connections) return false;
    const auto it = by_address_.find(address);
    return address.is_loopback() || it == by_address_.end() || it->second < options_.max_per_address;
  }

  asio::awaitable<void> accept_loop() {
    while (true) {
      auto [error, socket] = co_await acceptor_.async_accept(kTuple);
      if (error == asio::error::operation_aborted) co_return;
      if (error) {
        // Out of file descriptors: wait for some connection to end.
        asio::steady_timer pause(io_, kAcceptPause);
        co_await pause.async_wait(kTuple);
        continue;
      }
      error_code gone;
      const auto remote = socket.remote_endpoint(gone);
      if (gone) continue;
      const Address address = to_endpoint(remote).addr;
      if (has_room(address))
        asio::co_spawn(io_, connection(std::move(socket), address), asio::detached);
      else
        refuse(std::move(socket));
    }
  }

  asio::awaitable<void> connection(tcp::socket socket, Address address) {
    const Slot slot(*this, address);
    co_await serve(std::move(socket), tls_.get(), service_, options_);
  }

  /// One attempt to say why, which never waits.
  void refuse(tcp::socket socket) {
    if (tls_) return;
    const Response full = problem({503, "", "Too many connections.", "Come back in a few seconds."});
    const std::string text = serialize_head(full, full.body.size(), false) + full.body;
    error_code ignored;
    socket.non_blocking(true, ignored);
    socket.write_some(asio::buffer(text), ignored);
  }

  asio::awaitable<void> signal_loop() {
    while (true) {
      const auto [error, number] = co_await signals_.async_wait(kTuple);
      if (error) co_return;
      if (hooks_.on_signal) hooks_.on_signal(number);
    }
  }

  asio::awaitable<void> event_loop() {
    while (true) {
      const auto [error] = co_await events_.async_wait(asio::posix::stream_descriptor::wait_read, kTuple);
      if (error) co_return;
      poll_engine();
    }
  }

  asio::awaitable<void> tick_loop() {
    while (engine_ != nullptr) {
      tick_.expires_after(kTick);
      const auto [error] = co_await tick_.async_wait(kTuple);
      if (error) co_return;
      poll_engine();
    }
  }

  void poll_engine() {
    std::array<sluice_event, 64> batch;
    while (const size_t n = sluice_poll_events(engine_, batch.data(), batch.size())) {
      for (size_t i = 0; i < n; ++i) {
        service_.on_engine_event(batch[i]);
        if (hooks_.on_event) hooks_.on_event(batch[i]);
      }
    }
  }

  sluice_engine* engine_;
  Service& service_;
  const ServerOptions options_;
  Hooks hooks_;
  size_t connections_ = 0;
  std::map<Address, size_t> by_address_;
  std::unique_ptr<asio::ssl::context> tls_;
  // Below everything that a coroutine may touch when the context destroys it.
  asio::io_context io_{1};
  tcp::acceptor acceptor_{io_};
  asio::posix::stream_descriptor events_{io_};
  asio::signal_set signals_{io_};
  asio::steady_timer tick_{io_};
};

}  // namespace

std::expected<std::unique_ptr<Server>, std::string> Server::open(sluice_engine* engine, Service& service,
                                                                 const ServerOptions& options, Hooks hooks) {
  auto server = std::make_unique<ServerImpl>(engine, service, options, std::move(hooks));
  if (auto started = server->start(); !started) return std::unexpected(started.error());
  return server;
}

}  // namespace sluice::http
