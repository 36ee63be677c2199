#include "tools/load/http_client.h"

#include <deque>
#include <mutex>
#include <thread>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>

namespace sluice::load {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;
using Response = http::response<http::string_body>;
constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);

struct Job {
  http::request<http::string_body> request;
  uint32_t session = 0;
  bool answered = true;  ///< somebody waits for the answer
};

/// The path of a Location, which may be a whole URL.
std::string path_of(std::string location) {
  const size_t scheme = location.find("://");
  if (scheme == std::string::npos) return location;
  const size_t slash = location.find('/', scheme + 3);
  return slash == std::string::npos ? "/" : location.substr(slash);
}

template <class Stream>
asio::awaitable<std::string> exchange(Stream& stream, const Job& job, Response& response) {
  const auto [write_error, sent] = co_await http::async_write(stream, job.request, kTuple);
  if (write_error) co_return write_error.message();
  beast::flat_buffer buffer;
  const auto [read_error, got] = co_await http::async_read(stream, buffer, response, kTuple);
  co_return read_error ? read_error.message() : std::string();
}

}  // namespace

struct HttpClient::Impl {
  explicit Impl(HttpOptions o) : options(std::move(o)), ssl(asio::ssl::context::tls_client) {
    ssl.set_default_verify_paths();
    thread = std::jthread([this] { io.run(); });
  }
  ~Impl() {
    work.reset();
    thread.join();
  }

  http::request<http::string_body> request(http::verb verb, const std::string& path) const {
    http::request<http::string_body> r{verb, path, 11};
    const bool v6 = options.host.find(':') != std::string::npos;
    r.set(http::field::host, (v6 ? "[" + options.host + "]" : options.host) + ":" + options.port);
    if (!options.token.empty()) r.set(http::field::authorization, "Bearer " + options.token);
    r.set(http::field::connection, "close");
    return r;
  }

  void add(Job job) {
    asio::post(io, [this, job = std::move(job)]() mutable {
      waiting.push_back(std::move(job));
      pump();
    });
  }

  void pump() {
    for (; running < options.at_once && !waiting.empty(); ++running) {
      asio::co_spawn(io, serve(std::move(waiting.front())), asio::detached);
      waiting.pop_front();
    }
  }

  asio::awaitable<void> serve(Job job) {
    Response response;
    std::string error = co_await talk(job, response);
    if (job.answered) {
      HttpAnswer a{
          .session = job.session, .status = 0, .body = {}, .location = {}, .error = std::move(error)};
      if (a.error.empty()) {
        a.status = response.result_int();
        a.location = path_of(std::string(response[http::field::location]));
        a.body = std::move(response.body());
      }
      const std::lock_guard lock(mutex);
      answers.push_back(std::move(a));
    }
    --running;
    pump();
  }

  asio::awaitable<std::string> talk(const Job& job, Response& response) {
    const auto executor = co_await asio::this_coro::executor;
    tcp::resolver resolver(executor);
    const auto [resolve_error, found] = co_await resolver.async_resolve(options.host, options.port, kTuple);
    if (resolve_error) co_return resolve_error.message();
    beast::tcp_stream socket(executor);
    socket.expires_after(std::chrono::seconds(kPatience));
    const auto [connect_error, at] = co_await socket.async_connect(found, kTuple);
    if (connect_error) co_return connect_error.message();
    if (!options.tls) co_return co_await exchange(socket, job, response);
    beast::ssl_stream<beast::tcp_stream> stream(std::move(socket), ssl);
    SSL_set_tlsext_host_name(stream.native_handle(), options.host.c_str());
    if (!options.insecure) {
      stream.set_verify_mode(asio::ssl::verify_peer);
      stream.set_verify_callback(asio::ssl::host_name_verification(options.host));
    }
    const auto [refused] = co_await stream.async_handshake(asio::ssl::stream_base::client, kTuple);
    if (refused) co_return refused.message() + "; --insecure skips the check of the certificate";
    co_return co_await exchange(stream, job, response);
  }

  HttpOptions options;
  asio::io_context io{1};
  asio::ssl::context ssl;
  asio::executor_work_guard<asio::io_context::executor_type> work = asio::make_work_guard(io);
  std::deque<Job> waiting;
  unsigned running = 0;
  std::mutex mutex;
  std::vector<HttpAnswer> answers;  // under the mutex
  std::jthread thread;
};

HttpClient::HttpClient(HttpOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
HttpClient::~HttpClient() = default;

void HttpClient::post(uint32_t session, std::string path, std::string offer) {
  Job job{impl_->request(http::verb::post, path), session, true};
  job.request.set(http::field::content_type, "application/sdp");
  job.request.body() = std::move(offer);
  job.request.prepare_payload();
  impl_->add(std::move(job));
}

void HttpClient::remove(std::string location) {
  impl_->add({impl_->request(http::verb::delete_, location), 0, false});
}

std::vector<HttpAnswer> HttpClient::take() {
  const std::lock_guard lock(impl_->mutex);
  return std::exchange(impl_->answers, {});
}

}  // namespace sluice::load
