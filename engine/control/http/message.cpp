#include "engine/control/http/message.h"

#include <algorithm>
#include <array>
#include <ctime>
#include <iterator>

#include <fmt/format.h>

#include "engine/control/json.h"

namespace sluice::http {
namespace {

constexpr std::array<std::pair<Method, std::string_view>, 7> kMethods{{{Method::get, "GET"},
                                                                       {Method::head, "HEAD"},
                                                                       {Method::post, "POST"},
                                                                       {Method::put, "PUT"},
                                                                       {Method::patch, "PATCH"},
                                                                       {Method::del, "DELETE"},
                                                                       {Method::options, "OPTIONS"}}};

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

}  // namespace

Method method_of(std::string_view text) {
  for (const auto& [method, name] : kMethods)
    if (name == text) return method;
  return Method::other;
}

std::string_view name_of(Method m) {
  for (const auto& [method, name] : kMethods)
    if (method == m) return name;
  return "other";
}

bool equal_no_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) { return lower(x) == lower(y); });
}

std::string to_lower(std::string_view s) {
  std::string out(s);
  std::ranges::transform(out, out.begin(), lower);
  return out;
}

std::string_view trim(std::string_view s) {
  while (!s.empty() && (s.front() == ' ' || s.front() == '\t')) s.remove_prefix(1);
  while (!s.empty() && (s.back() == ' ' || s.back() == '\t')) s.remove_suffix(1);
  return s;
}

void Headers::set(std::string_view name, std::string value) {
  std::erase_if(list_, [&](const auto& h) { return equal_no_case(h.first, name); });
  list_.emplace_back(std::string(name), std::move(value));
}

std::optional<std::string_view> Headers::find(std::string_view name) const {
  for (const auto& [n, v] : list_)
    if (equal_no_case(n, name)) return trim(v);
  return std::nullopt;
}

size_t Headers::count(std::string_view name) const {
  return static_cast<size_t>(
      std::ranges::count_if(list_, [&](const auto& h) { return equal_no_case(h.first, name); }));
}

std::string_view reason_phrase(unsigned status) {
  switch (status) {
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 304:
      return "Not Modified";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 406:
      return "Not Acceptable";
    case 409:
      return "Conflict";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 421:
      return "Misdirected Request";
    case 428:
      return "Precondition Required";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    default:
      return "Error";
  }
}

Response problem(const Problem& p) {
  control::Json json;
  json.begin_object()
      .member("title", reason_phrase(p.status))
      .member("status", p.status)
      .member("detail", p.message)
      .key("error")
      .begin_object()
      .member("field", p.field)
      .member("message", p.message)
      .member("fix", p.fix)
      .end_object()
      .end_object();
  Response r;
  r.status = p.status;
  r.headers.add("Content-Type", "application/problem+json");
  // RFC 9110 §15.5.2: a 401 names the scheme that would help; §10.2.3: a 503 says when to come back.
  if (p.status == 401) r.headers.add("WWW-Authenticate", "Bearer realm=\"sluice\"");
  if (p.status == 503) r.headers.add("Retry-After", "5");
  r.body = json.take();
  return r;
}

Response json_response(std::string body, unsigned status) {
  Response r;
  r.status = status;
  r.headers.add("Content-Type", "application/json");
  r.body = std::move(body);
  return r;
}

std::string serialize_head(const Response& response, std::optional<size_t> length, bool keep_alive) {
  std::string out = fmt::format("HTTP/1.1 {} {}\r\n", response.status, reason_phrase(response.status));
  for (const auto& [name, value] : response.headers.all()) {
    const auto end = std::ranges::find_if(value, [](char c) { return static_cast<unsigned char>(c) < 0x20; });
    out.append(name).append(": ").append(value.begin(), end).append("\r\n");
  }
  const bool bodiless = response.status == 204 || response.status == 304;
  if (length && !bodiless) fmt::format_to(std::back_inserter(out), "Content-Length: {}\r\n", *length);
  if (!keep_alive) out += "Connection: close\r\n";
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  std::array<char, 40> date{};
  const size_t n = std::strftime(date.data(), date.size(), "%a, %d %b %Y %H:%M:%S GMT", &utc);
  return out.append("Date: ").append(date.data(), n).append("\r\n\r\n");
}

}  // namespace sluice::http
