// Structured log lines: `event=whip_open room=a session=7`. Control thread; never a secret.
#pragma once

#include <concepts>
#include <string>
#include <string_view>

#include "net/base/endpoint.h"

namespace sluice::control {

enum class Level : unsigned char { debug, info, warning, error };

/// Written when the object goes out of scope; values that need it are quoted.
class LogLine {
 public:
  LogLine(Level level, std::string_view event);
  LogLine(const LogLine&) = delete;
  LogLine& operator=(const LogLine&) = delete;
  ~LogLine();

  LogLine& with(std::string_view key, std::string_view value);
  LogLine& with(std::string_view key, const char* value) { return with(key, std::string_view(value)); }
  template <std::integral T>
  LogLine& with(std::string_view key, T value) {
    return with(key, std::string_view(std::to_string(value)));
  }
  /// "1.2.3.x:5", unless set_log_addresses(true).
  LogLine& with(std::string_view key, const Endpoint& value);

 private:
  Level level_;
  std::string line_;
};

void set_log_addresses(bool whole);
/// An endpoint in the engine's text form ("1.2.3.4:5", or empty), masked unless set_log_addresses(true).
std::string log_address(std::string_view endpoint_text);
/// Masked whatever the logs do.
std::string masked_address(std::string_view endpoint_text);

}  // namespace sluice::control
