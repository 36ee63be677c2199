// Members of a JSON object out of a request's body, with the first mistake kept. Internal to http.
#pragma once

#include <expected>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include <boost/json/object.hpp>

#include "engine/control/http/message.h"

namespace sluice::http {

/// The body as one object, nested ten deep at most.
std::expected<boost::json::object, Problem> parse_object(std::string_view body);

class JsonReader {
 public:
  /// `scope`: "", or "routes[3]." for errors. `object` outlives the reader and what it returns.
  JsonReader(const boost::json::object& object, std::string scope)
      : object_(object), scope_(std::move(scope)) {}

  /// Members beyond these are mistakes.
  void only(std::initializer_list<std::string_view> names);
  /// Zero-terminated text without a zero inside; `standard` where the member is missing, nullptr: it must
  /// not.
  const char* text(std::string_view name, const char* standard = nullptr);
  /// The same of any length and content.
  std::string_view long_text(std::string_view name);
  bool flag(std::string_view name, bool standard);
  unsigned number(std::string_view name, unsigned low, unsigned high, unsigned standard);

  const std::optional<Problem>& problem() const { return problem_; }

 private:
  const boost::json::value* find(std::string_view name) const;
  void wrong(std::string_view name, std::string message, std::string fix);

  const boost::json::object& object_;
  std::string scope_;
  std::optional<Problem> problem_;
};

}  // namespace sluice::http
