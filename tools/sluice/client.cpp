#include "tools/sluice/client.h"

#include <charconv>
#include <optional>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <fmt/format.h>

#include "engine/control/http/auth.h"
#include "engine/control/secret.h"

namespace sluice {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using Text = std::expected<std::string, std::string>;
constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);
constexpr std::chrono::seconds kPatience{5};
constexpr size_t kMaxReply = size_t{64} << 20;

template <class Stream>
asio::awaitable<Text> exchange(Stream& stream, const std::string& ask) {
  const auto [write_error, written] = co_await asio::async_write(stream, asio::buffer(ask), kTuple);
  if (write_error) co_return std::unexpected(write_error.message());
  std::string text;
  const auto [read_error, n] =
      co_await asio::async_read(stream, asio::dynamic_buffer(text, kMaxReply), kTuple);
  // Not every server ends TLS politely; the reply's length says whether something is missing.
  if (read_error && read_error != asio::error::eof && read_error != asio::ssl::error::stream_truncated)
    co_return std::unexpected(read_error.message());
  co_return text;
}

asio::awaitable<Text> talk(const Url& url, bool insecure, const std::string& ask) {
  const auto executor = co_await asio::this_coro::executor;
  tcp::resolver resolver(executor);
  const auto [resolve_error, found] = co_await resolver.async_resolve(url.host, url.port, kTuple);
  if (resolve_error) co_return std::unexpected(resolve_error.message());
  tcp::socket socket(executor);
  const auto [connect_error, at] = co_await asio::async_connect(socket, found, kTuple);
  if (connect_error) co_return std::unexpected(connect_error.message());
  if (!url.tls) co_return co_await exchange(socket, ask);
  asio::ssl::context context(asio::ssl::context::tls_client);
  context.set_default_verify_paths();
  asio::ssl::stream<tcp::socket> stream(std::move(socket), context);
  SSL_set_tlsext_host_name(stream.native_handle(), url.host.c_str());
  if (!insecure) {
    stream.set_verify_mode(asio::ssl::verify_peer);
    stream.set_verify_callback(asio::ssl::host_name_verification(url.host));
  }
  const auto [refused] = co_await stream.async_handshake(asio::ssl::stream_base::client, kTuple);
  if (refused)
    co_return std::unexpected(refused.message() + "; --insecure skips the check of the certificate");
  co_return co_await exchange(stream, ask);
}

std::expected<std::string, std::string> authorization(const ClientOptions& options) {
  if (options.admin_token.empty()) return std::string();
  const auto read = control::read_secret(options.admin_token);
  if (!read) return std::unexpected(fmt::format("--admin-token: {}", read.error()));
  return fmt::format("Authorization: Bearer {}\r\n", read->secret.reveal());
}

}  // namespace

std::expected<Url, std::string> parse_url(std::string_view text) {
  const auto origin = http::parse_origin(text.ends_with('/') ? text.substr(0, text.size() - 1) : text);
  uint16_t port = 0;
  // A resolver takes 65616 for 80.
  const auto fits = [&](const std::string& digits) {
    const char* end = digits.data() + digits.size();
    return digits.empty() || std::from_chars(digits.data(), end, port) == std::from_chars_result{end, {}};
  };
  if (!origin || !fits(origin->authority.port))
    return std::unexpected(fmt::format("'{}' is no address; write e.g. http://127.0.0.1:8080", text));
  Url out{origin->scheme == "https", origin->authority.host, origin->authority.port};
  if (out.port.empty()) out.port = out.tls ? "443" : "80";
  return out;
}

std::expected<void, std::string> check_typed(const ClientOptions& options) {
  if (const auto url = parse_url(options.url); !url)
    return std::unexpected(fmt::format("--http: {}", url.error()));
  if (options.admin_token.empty() || (options.admin_token.starts_with('@') && options.admin_token.size() > 1))
    return {};
  return std::unexpected(fmt::format("--admin-token: {}", control::read_secret(options.admin_token).error()));
}

std::expected<Reply, std::string> parse_reply(std::string_view text) {
  const auto broken = std::unexpected(std::string("what answers there is no Sluice"));
  constexpr std::string_view kVersion = "HTTP/1.1 ";
  const size_t end = text.find("\r\n\r\n");
  if (end == std::string_view::npos || !text.starts_with(kVersion)) return broken;
  Reply out;
  const char* digits = text.data() + kVersion.size();
  if (std::from_chars(digits, digits + 3, out.status).ec != std::errc{}) return broken;
  out.body = std::string(text.substr(end + 4));
  const std::string head = http::to_lower(text.substr(0, end + 2));
  constexpr std::string_view kLength = "\r\ncontent-length: ";
  if (const size_t at = head.find(kLength); at != std::string::npos) {
    size_t length = 0;
    std::from_chars(head.data() + at + kLength.size(), head.data() + head.size(), length);
    if (length != out.body.size()) return std::unexpected(std::string("the reply was cut short"));
  }
  return out;
}

std::expected<Reply, std::string> request(const ClientOptions& options, std::string_view method,
                                          std::string_view target) {
  const auto url = parse_url(options.url);
  if (!url) return std::unexpected(url.error());
  const auto auth = authorization(options);
  if (!auth) return std::unexpected(auth.error());
  const bool v6 = url->host.find(':') != std::string::npos;
  const std::string ask =
      fmt::format("{} {} HTTP/1.1\r\nHost: {}{}{}:{}\r\n{}Content-Length: 0\r\nConnection: close\r\n\r\n",
                  method, target, v6 ? "[" : "", url->host, v6 ? "]" : "", url->port, *auth);
  asio::io_context io{1};
  std::optional<Text> result;
  asio::co_spawn(io, talk(*url, options.insecure, ask), [&](std::exception_ptr failed, Text text) {
    result = failed ? Text(std::unexpected(std::string("the connection failed"))) : std::move(text);
  });
  io.run_for(kPatience);
  if (!result) return std::unexpected(fmt::format("{} does not answer", options.url));
  if (!*result) return std::unexpected(fmt::format("{}: {}", options.url, result->error()));
  auto reply = parse_reply(**result);
  if (!reply) return std::unexpected(fmt::format("{}: {}", options.url, reply.error()));
  return reply;
}

}  // namespace sluice
