#include "engine/control/http/connection.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <fmt/format.h>

#include "engine/control/http/v1_relay.h"
#include "engine/control/log.h"

namespace sluice::http {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
using Parser = beast::http::request_parser<beast::http::string_body>;
using std::chrono::seconds;
constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);

constexpr uint32_t kHeaderBytes = 16 * 1024;
constexpr unsigned kMaxRequests = 10'000;
constexpr seconds kHeartbeat{15};
constexpr seconds kLinger{2};
constexpr size_t kLingerBytes = 512 * 1024;

struct Peer {
  Endpoint remote, local;
  bool tls;
};

/// nullopt: nothing can be answered, close.
std::optional<Problem> problem_of(const beast::error_code& error) {
  namespace http = beast::http;
  if (error == http::error::end_of_stream || error == http::error::partial_message) return std::nullopt;
  if (error == http::error::body_limit)
    return Problem{413, "body", "The body is longer than is taken here.", "Send less at once."};
  if (error == http::error::header_limit || error == http::error::buffer_overflow)
    return Problem{431, "", "The header fields are longer than 16384 bytes.", "Send fewer."};
  if (error == http::error::bad_version)
    return Problem{505, "version", "Only HTTP/1.1 is spoken here.", "Use it."};
  if (error.category() == http::make_error_code(http::error::bad_method).category())
    return Problem{400, "", fmt::format("This is not a well-formed HTTP/1.1 request: {}.", error.message()),
                   ""};
  return std::nullopt;
}

/// RFC 9112 §3.2.2: the absolute form names the host itself, and that wins over Host.
void unfold_absolute_form(Request& request) {
  const auto scheme = request.target.find("://");
  if (scheme == std::string::npos || request.target.starts_with('/')) return;
  const size_t host = scheme + 3;
  const size_t path = std::min(request.target.find('/', host), request.target.size());
  request.headers.set("Host", request.target.substr(host, path - host));
  request.target.erase(0, path);
  if (request.target.empty()) request.target = "/";
}

Request to_request(Parser& parser, const Peer& peer) {
  auto& message = parser.get();
  Request r;
  r.method = method_of({message.method_string().data(), message.method_string().size()});
  r.target = std::string(message.target());
  for (const auto& field : message)
    r.headers.add(std::string(field.name_string()), std::string(field.value()));
  r.body = std::move(message.body());
  r.remote = peer.remote;
  r.local = peer.local;
  r.tls = peer.tls;
  unfold_absolute_form(r);
  return r;
}

std::optional<Problem> check_head(Parser& parser) {
  const auto& message = parser.get();
  if (message.version() != 11) return Problem{505, "version", "Only HTTP/1.1 is spoken here.", "Use it."};
  const auto encoding = message[beast::http::field::transfer_encoding];
  if (!encoding.empty() && !beast::iequals(encoding, "chunked"))
    return Problem{400, "Transfer-Encoding", "The only transfer coding served is chunked.", ""};
  return std::nullopt;
}

template <class Stream>
class Connection {
 public:
  Connection(std::shared_ptr<Stream> stream, Peer peer, Service& service, const ServerOptions& options)
      : stream_(std::move(stream)), peer_(peer), service_(service), options_(options) {}

  asio::awaitable<void> run() {
    for (unsigned served = 0; served < kMaxRequests; ++served) {
      Parser parser;
      std::optional<Problem> wrong;
      const auto error = co_await read(parser, wrong);
      if (error) wrong = problem_of(error);
      if (error && !wrong) co_return;
      if (wrong) {
        co_await write(problem(*wrong), false, false);
        co_await linger();
        co_return;
      }
      const bool keep_alive = parser.get().keep_alive() && served + 1 < kMaxRequests;
      const Request request = to_request(parser, peer_);
      Response response = answer(request);
      if (response.event_stream) {
        co_await stream_events(response);
        co_return;
      }
      if (co_await write(response, request.method == Method::head, keep_alive) || !keep_alive) break;
    }
    co_await linger();
  }

 private:
  auto& lowest() { return beast::get_lowest_layer(*stream_); }

  Response answer(const Request& request) {
    try {
      return service_.handle(request);
    } catch (const std::exception& e) {
      control::LogLine(control::Level::error, "http_failed")
          .with("target", request.target)
          .with("what", e.what());
      return problem({500, "", "The request could not be served.", "The log says why."});
    }
  }

  asio::awaitable<beast::error_code> read(Parser& parser, std::optional<Problem>& wrong) {
    parser.header_limit(kHeaderBytes);
    // The parser compares Content-Length when it has the head; what this head may bring is known only then.
    parser.body_limit(kMaxRoutesBytes);
    if (buffer_.size() == 0) {
      lowest().expires_after(seconds(options_.idle_timeout_s));
      const auto [error, n] = co_await stream_->async_read_some(buffer_.prepare(4096), kTuple);
      // A client that keeps a connection for later and says nothing is told nothing either.
      if (error) co_return beast::error_code(beast::http::error::end_of_stream);
      buffer_.commit(n);
    }
    lowest().expires_after(seconds(options_.header_timeout_s));
    const auto [head_error, head_bytes] =
        co_await beast::http::async_read_header(*stream_, buffer_, parser, kTuple);
    if (head_error) co_return head_error;
    wrong = check_head(parser);
    if (!wrong) wrong = limit_body(parser);
    if (wrong || parser.is_done()) co_return beast::error_code{};
    lowest().expires_after(seconds(options_.body_timeout_s));
    if (beast::iequals(parser.get()[beast::http::field::expect], "100-continue")) {
      constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
      const auto [error, n] = co_await asio::async_write(*stream_, asio::buffer(kContinue), kTuple);
      if (error) co_return error;
    }
    const auto [error, n] = co_await beast::http::async_read(*stream_, buffer_, parser, kTuple);
    co_return error;
  }

  std::optional<Problem> limit_body(Parser& parser) {
    const size_t limit = service_.body_limit(to_request(parser, peer_));
    parser.body_limit(limit);
    if (parser.content_length().value_or(0) <= limit) return std::nullopt;
    return Problem{413, "body", fmt::format("The body is longer than {} bytes.", limit),
                   "Send less at once."};
  }

  asio::awaitable<beast::error_code> write(const Response& response, bool head_only, bool keep_alive) {
    std::string text = serialize_head(response, response.body.size(), keep_alive);
    if (!head_only) text += response.body;
    lowest().expires_after(seconds(options_.write_timeout_s));
    const auto [error, n] = co_await asio::async_write(*stream_, asio::buffer(text), kTuple);
    co_return error;
  }

  /// A close while bytes of the client are unread becomes a reset, which may overtake our answer.
  asio::awaitable<void> linger() {
    lowest().expires_after(kLinger);
    if constexpr (!std::is_same_v<Stream, beast::tcp_stream>) {
      co_await stream_->async_shutdown(kTuple);
    } else {
      beast::error_code ignored;
      stream_->socket().shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
    }
    std::array<char, 4096> sink;
    for (size_t total = 0; total < kLingerBytes;) {
      const auto [error, n] = co_await lowest().async_read_some(asio::buffer(sink), kTuple);
      if (error) break;
      total += n;
    }
  }

  /// What outlives the coroutine while a read is still under way.
  struct Watch {
    explicit Watch(asio::any_io_executor executor) : timer(std::move(executor)) {}
    asio::steady_timer timer;
    std::array<char, 64> sink{};
    bool gone = false;
  };

  asio::awaitable<void> stream_events(const Response& response) {
    const auto queue = service_.events().subscribe();
    if (!queue) co_return;
    const auto watch = std::make_shared<Watch>(stream_->get_executor());
    queue->on_ready = [watch] { watch->timer.cancel(); };
    lowest().expires_never();
    // The client has nothing more to say: whatever comes, a byte or the end, ends the stream.
    stream_->async_read_some(asio::buffer(watch->sink), [watch, keep = stream_](beast::error_code, size_t) {
      watch->gone = true;
      watch->timer.cancel();
    });
    std::string text = serialize_head(response, std::nullopt, false) + ": sluice\n\n";
    while (!watch->gone) {
      lowest().expires_after(seconds(options_.write_timeout_s));
      const auto [error, n] = co_await asio::async_write(*stream_, asio::buffer(text), kTuple);
      if (error) break;
      if (queue->empty() && !watch->gone) {
        watch->timer.expires_after(kHeartbeat);
        co_await watch->timer.async_wait(kTuple);
      }
      text = queue->empty() ? std::string(": alive\n\n") : queue->take();
    }
    queue->on_ready = nullptr;
    lowest().cancel();
  }

  std::shared_ptr<Stream> stream_;
  Peer peer_;
  Service& service_;
  const ServerOptions& options_;
  beast::flat_buffer buffer_{kHeaderBytes + kMaxSdpBytes + 4096};
};

}  // namespace

Endpoint to_endpoint(const asio::ip::tcp::endpoint& e) {
  Endpoint out;
  out.port = e.port();
  if (e.address().is_v4())
    out.addr = Address::v4(e.address().to_v4().to_uint());
  else
    out.addr = Address::v6(e.address().to_v6().to_bytes());
  return out;
}

asio::awaitable<void> serve(asio::ip::tcp::socket socket, asio::ssl::context* tls, Service& service,
                            const ServerOptions& options) {
  beast::error_code error;
  socket.set_option(asio::ip::tcp::no_delay(true), error);
  const Peer peer{to_endpoint(socket.remote_endpoint(error)), to_endpoint(socket.local_endpoint(error)),
                  tls != nullptr};
  if (error) co_return;
  if (tls == nullptr) {
    auto stream = std::make_shared<beast::tcp_stream>(std::move(socket));
    co_await Connection<beast::tcp_stream>(stream, peer, service, options).run();
    co_return;
  }
  using Tls = beast::ssl_stream<beast::tcp_stream>;
  auto stream = std::make_shared<Tls>(beast::tcp_stream(std::move(socket)), *tls);
  beast::get_lowest_layer(*stream).expires_after(seconds(options.header_timeout_s));
  const auto [refused] = co_await stream->async_handshake(asio::ssl::stream_base::server, kTuple);
  if (!refused) co_await Connection<Tls>(stream, peer, service, options).run();
}

}  // namespace sluice::http
