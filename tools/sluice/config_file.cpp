// toml++ is included here only: it takes long to compile.
#include <fmt/format.h>
#include <toml++/toml.h>

#include "tools/sluice/config.h"

namespace sluice {
namespace {

using Problem = std::unexpected<UsageError>;

Problem wrong(std::string text) { return Problem(UsageError{std::move(text)}); }

std::string_view wanted(const Option& option) {
  if (option.kind == Kind::toggle) return "true or false";
  if (option.kind == Kind::number) return "a whole number without quotes";
  return option.many ? "a string or an array of strings" : "a string";
}

bool take(const Option& option, const toml::node& node, std::vector<std::string>& out) {
  if (option.kind == Kind::toggle && node.is_boolean())
    out.emplace_back(node.as_boolean()->get() ? "true" : "false");
  else if (option.kind == Kind::number && node.is_integer())
    out.push_back(std::to_string(node.as_integer()->get()));
  else if (option.kind == Kind::text && node.is_string())
    out.push_back(node.as_string()->get());
  else
    return false;
  return true;
}

std::expected<FileValue, UsageError> value_of(const Option& option, const toml::node& node,
                                              std::string source) {
  FileValue out{{}, std::move(source)};
  bool good = true;
  if (const auto* array = node.as_array(); array != nullptr && option.many) {
    for (const auto& item : *array) good = good && take(option, item, out.values);
  } else {
    good = take(option, node, out.values);
  }
  if (!good) return wrong(fmt::format("{}: {}: give {}", out.source, option.name, wanted(option)));
  return out;
}

Problem unknown_key(std::string_view key, std::string_view source) {
  std::vector<std::string_view> known;
  for (const Option& o : options()) known.push_back(o.name);
  const std::string_view near = closest(key, known);
  if (near.empty())
    return wrong(fmt::format("{}: unknown key '{}'; sluice run --help lists them", source, key));
  return wrong(fmt::format("{}: unknown key '{}'; did you mean {}?", source, key, near));
}

}  // namespace

std::expected<std::map<std::string, FileValue, std::less<>>, UsageError> read_toml(
    std::string_view text, std::string_view file_name) {
  std::map<std::string, FileValue, std::less<>> out;
  toml::table table;
  try {
    table = toml::parse(text, file_name);
  } catch (const toml::parse_error& e) {
    return wrong(fmt::format("{}:{}: {}", file_name, e.source().begin.line, e.description()));
  }
  for (const auto& [key, node] : table) {
    const std::string source = fmt::format("{}:{}", file_name, node.source().begin.line);
    const Option* option = find_option(key.str());
    if (option == nullptr) return unknown_key(key.str(), source);
    auto value = value_of(*option, node, source);
    if (!value) return std::unexpected(value.error());
    out.emplace(std::string(key.str()), std::move(*value));
  }
  return out;
}

}  // namespace sluice
