// WHIP and WHEP requests (RFC 9725) on a thread of their own.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <vector>

namespace sluice::load {

struct HttpAnswer {
  uint32_t session = 0;
  unsigned status = 0;  ///< 0: no answer, `error` says why
  std::string body, location, error;
};

struct HttpOptions {
  bool tls = false;
  std::string host, port;
  std::string token;  ///< bearer, or empty
  bool insecure = false;
  unsigned at_once = 32;  ///< connections
};

/// Functions may be called by any thread; a request ends within kPatience seconds.
class HttpClient {
 public:
  static constexpr int kPatience = 10;

  explicit HttpClient(HttpOptions options);
  /// Waits for what was asked, at most kPatience seconds.
  ~HttpClient();

  /// POSTs an SDP offer; take() brings the answer.
  void post(uint32_t session, std::string path, std::string offer);
  /// DELETEs a resource; nobody hears of the answer.
  void remove(std::string location);
  std::vector<HttpAnswer> take();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::load
