// HTTP requests and responses as plain values, so that router, rights and handlers run without a socket.
// Control thread. Shapes: header names compare without case (RFC 9110 §5.1); bodies are bytes.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "net/base/endpoint.h"

namespace sluice::http {

enum class Method : unsigned char { get, head, post, put, patch, del, options, other };

Method method_of(std::string_view text);
std::string_view name_of(Method m);

/// ASCII only, as header names, media types and host names want it.
bool equal_no_case(std::string_view a, std::string_view b);
std::string to_lower(std::string_view s);
std::string_view trim(std::string_view s);

class Headers {
 public:
  void add(std::string name, std::string value) { list_.emplace_back(std::move(name), std::move(value)); }
  void set(std::string_view name, std::string value);
  /// The first of that name; nullopt if there is none.
  std::optional<std::string_view> find(std::string_view name) const;
  size_t count(std::string_view name) const;
  const std::vector<std::pair<std::string, std::string>>& all() const { return list_; }

 private:
  std::vector<std::pair<std::string, std::string>> list_;
};

struct Request {
  Method method = Method::other;
  std::string target;  ///< origin-form as sent, e.g. "/whip/a%20b?takeover=1"
  Headers headers;
  std::string body;
  Endpoint remote;  ///< the client
  Endpoint local;   ///< our end of the connection; its address is a valid Host
  bool tls = false;
};

struct Response {
  unsigned status = 200;
  Headers headers;
  std::string body;
  bool event_stream = false;  ///< the connection becomes a server-sent event stream after the head
};

/// Problem details (RFC 9457) with the member `error`: what is wrong, where, and what to do about it.
struct Problem {
  unsigned status = 400;
  std::string field;    ///< "Host", "offer.m[0].rtpmap", "room"; may be empty
  std::string message;  ///< one sentence
  std::string fix;      ///< one sentence; may be empty
};

std::string_view reason_phrase(unsigned status);
Response problem(const Problem& p);
/// The head as it goes on the wire. `length`: of the body, which follows separately; nullopt: until the
/// connection ends. A status that has no body gets no length (RFC 9112 §6.3). Control characters end a
/// header's value.
std::string serialize_head(const Response& response, std::optional<size_t> length, bool keep_alive);
Response json_response(std::string body, unsigned status = 200);

}  // namespace sluice::http
