#include "engine/control/openapi.h"

#include <map>
#include <set>

#include <boost/json.hpp>
#include <doctest/doctest.h>

#include "engine/control/http/router.h"

using namespace sluice::http;
namespace json = boost::json;

namespace {

using Paths = std::map<std::string, std::set<std::string>>;

const json::object& document() {
  static const json::value v = json::parse({kOpenApi.data(), kOpenApi.size()});
  return v.get_object();
}

Paths documented() {
  Paths out;
  for (const auto& path : document().at("paths").get_object())
    for (const auto& item : path.value().get_object())
      if (item.key() != "parameters") out[std::string(path.key())].insert(std::string(item.key()));
  return out;
}

Paths served() {
  Paths out;
  for (const Route& r : routes()) {
    auto& methods = out[std::string(r.pattern)];
    if (r.methods.get) methods.insert("get");
    if (r.methods.post) methods.insert("post");
    if (r.methods.put) methods.insert("put");
    if (r.methods.patch) methods.insert("patch");
    if (r.methods.del) methods.insert("delete");
  }
  return out;
}

/// Calls f with every "$ref" below v.
template <class F>
void each_reference(const json::value& v, F f) {
  if (const auto* o = v.if_object()) {
    for (const auto& item : *o) {
      if (item.key() == "$ref") f(std::string(item.value().get_string()));
      each_reference(item.value(), f);
    }
  } else if (const auto* a = v.if_array()) {
    for (const auto& item : *a) each_reference(item, f);
  }
}

bool resolves(std::string reference) {
  const json::object* at = &document();
  if (!reference.starts_with("#/")) return false;
  reference.erase(0, 2);
  while (true) {
    const size_t slash = reference.find('/');
    const auto* next = at->if_contains(reference.substr(0, slash));
    if (next == nullptr) return false;
    if (slash == std::string::npos) return true;
    at = next->if_object();
    if (at == nullptr) return false;
    reference.erase(0, slash + 1);
  }
}

}  // namespace

TEST_CASE("the document lists exactly the routes and methods that are served") {
  CHECK(documented() == served());
}

TEST_CASE("every reference in the document leads somewhere") {
  int references = 0;
  each_reference(json::value(document()), [&](const std::string& r) {
    ++references;
    CHECK_MESSAGE(resolves(r), r);
  });
  CHECK(references > 40);
}

TEST_CASE("every operation has a name of its own, a summary and a success") {
  std::set<std::string> ids;
  for (const auto& path : document().at("paths").get_object()) {
    for (const auto& item : path.value().get_object()) {
      if (item.key() == "parameters") continue;
      const auto& operation = item.value().get_object();
      CHECK(ids.insert(std::string(operation.at("operationId").get_string())).second);
      CHECK_FALSE(operation.at("summary").get_string().empty());
      bool success = false;
      for (const auto& r : operation.at("responses").get_object())
        success = success || r.key().starts_with('2');
      CHECK(success);
    }
  }
}

TEST_CASE("every part of a path in braces is described") {
  for (const auto& path : document().at("paths").get_object()) {
    const auto key = std::string(path.key());
    const auto braces = static_cast<size_t>(std::count(key.begin(), key.end(), '{'));
    const auto* parameters = path.value().get_object().if_contains("parameters");
    CHECK_MESSAGE((parameters == nullptr ? 0 : parameters->get_array().size()) >= braces, key);
  }
}
