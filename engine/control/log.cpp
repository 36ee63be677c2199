#include "engine/control/log.h"

#include <algorithm>

#include <spdlog/spdlog.h>

namespace sluice::control {
namespace {

bool whole_addresses = false;

bool plain(char c) { return c > 0x20 && c < 0x7f && c != '"' && c != '\\' && c != '='; }

}  // namespace

LogLine::LogLine(Level level, std::string_view event) : level_(level), line_("event=") {
  line_.append(event);
}

LogLine::~LogLine() {
  constexpr spdlog::level::level_enum kLevels[] = {spdlog::level::debug, spdlog::level::info,
                                                   spdlog::level::warn, spdlog::level::err};
  spdlog::log(kLevels[static_cast<size_t>(level_)], line_);
}

LogLine& LogLine::with(std::string_view key, std::string_view value) {
  line_.append(" ").append(key).append("=");
  if (!value.empty() && std::ranges::all_of(value, plain)) {
    line_.append(value);
    return *this;
  }
  // One event is one line, whatever a client managed to put into a value.
  line_.push_back('"');
  for (char c : value) {
    if (c == '"' || c == '\\') line_.push_back('\\');
    line_.push_back(c >= 0x20 && c != 0x7f ? c : '?');
  }
  line_.push_back('"');
  return *this;
}

LogLine& LogLine::with(std::string_view key, const Endpoint& value) {
  EndpointText text;
  return with(key, whole_addresses ? format(value, text) : format_masked(value, text));
}

void set_log_addresses(bool whole) { whole_addresses = whole; }

std::string log_address(std::string_view endpoint_text) {
  return whole_addresses ? std::string(endpoint_text) : masked_address(endpoint_text);
}

std::string masked_address(std::string_view endpoint_text) {
  const auto e = parse_endpoint(endpoint_text);
  EndpointText text;
  return e ? std::string(format_masked(*e, text)) : std::string();
}

}  // namespace sluice::control
