// A blocking HTTP client, enough for `sluice top` and `sluice drain`.
#pragma once

#include <expected>
#include <string>
#include <string_view>

namespace sluice {

struct ClientOptions {
  std::string url = "http://127.0.0.1:8080";
  std::string admin_token;  ///< "@FILE" or empty
  bool insecure = false;    ///< HTTPS without checking the certificate
};

/// What was typed, as far as that can be told without asking anybody; the error names the flag and what to
/// write.
std::expected<void, std::string> check_typed(const ClientOptions& options);

struct Reply {
  unsigned status = 0;
  std::string body;
};

/// "GET", "/v1/sessions". Five seconds in all. The error is one sentence.
std::expected<Reply, std::string> request(const ClientOptions& options, std::string_view method,
                                          std::string_view target);

struct Url {
  bool tls = false;
  std::string host;  ///< without brackets
  std::string port;
};
/// "http://HOST[:PORT]" or "https://HOST[:PORT]", nothing behind it but a slash.
std::expected<Url, std::string> parse_url(std::string_view text);
/// Status and body of what a server said; it closes the connection at the end of the body.
std::expected<Reply, std::string> parse_reply(std::string_view text);

}  // namespace sluice
