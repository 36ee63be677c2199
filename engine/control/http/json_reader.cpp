#include "engine/control/http/json_reader.h"

#include <algorithm>

#include <boost/json/parse.hpp>
#include <fmt/format.h>

namespace sluice::http {
namespace json = boost::json;

std::expected<json::object, Problem> parse_object(std::string_view body) {
  constexpr size_t kDepthMax = 10;
  json::parse_options options;
  options.max_depth = kDepthMax;
  boost::system::error_code error;
  json::value v = json::parse({body.data(), body.size()}, error, {}, options);
  if (error)
    return std::unexpected(Problem{400, "body", fmt::format("The body is no JSON: {}.", error.message()),
                                   "GET /v1/openapi.json shows what is expected."});
  if (!v.is_object())
    return std::unexpected(
        Problem{400, "body", "The body is no JSON object.", "GET /v1/openapi.json shows what is expected."});
  return std::move(v.get_object());
}

const json::value* JsonReader::find(std::string_view name) const {
  return object_.if_contains({name.data(), name.size()});
}

void JsonReader::wrong(std::string_view name, std::string message, std::string fix) {
  if (!problem_)
    problem_ = Problem{400, fmt::format("{}{}", scope_, name), std::move(message), std::move(fix)};
}

void JsonReader::only(std::initializer_list<std::string_view> names) {
  for (const auto& member : object_) {
    const std::string_view key(member.key().data(), member.key().size());
    if (std::ranges::find(names, key) == names.end())
      wrong(key.substr(0, 40), "There is no such member.", fmt::format("Use {}.", fmt::join(names, ", ")));
  }
}

const char* JsonReader::text(std::string_view name, const char* standard) {
  const json::value* v = find(name);
  if (v == nullptr && standard != nullptr) return standard;
  const json::string* s = v != nullptr ? v->if_string() : nullptr;
  if (s == nullptr || s->find('\0') != json::string::npos) {
    wrong(name, v == nullptr ? "It is missing." : "It is no text.", "Give a string.");
    return "";
  }
  return s->c_str();
}

std::string_view JsonReader::long_text(std::string_view name) {
  const json::value* v = find(name);
  const json::string* s = v != nullptr ? v->if_string() : nullptr;
  if (s != nullptr) return {s->data(), s->size()};
  wrong(name, v == nullptr ? "It is missing." : "It is no text.", "Give a string.");
  return {};
}

bool JsonReader::flag(std::string_view name, bool standard) {
  const json::value* v = find(name);
  if (v == nullptr) return standard;
  if (v->is_bool()) return v->get_bool();
  wrong(name, "It is neither true nor false.", "Give one of them, without quotes.");
  return standard;
}

unsigned JsonReader::number(std::string_view name, unsigned low, unsigned high, unsigned standard) {
  const json::value* v = find(name);
  if (v == nullptr) return standard;
  if (v->is_int64() && v->get_int64() >= low && v->get_int64() <= high)
    return static_cast<unsigned>(v->get_int64());
  wrong(name, "It is out of range.", fmt::format("Give a whole number from {} to {}.", low, high));
  return standard;
}

}  // namespace sluice::http
