#include <algorithm>
#include <cstdio>

#include <fmt/format.h>

#include "tools/sluice/commands.h"

namespace sluice {
namespace {

void log_line(void* said, int level, const char* line) {
  static_cast<std::set<std::string>*>(said)->emplace(line);
  constexpr control::Level kLevels[] = {control::Level::debug, control::Level::info, control::Level::warning,
                                        control::Level::error};
  control::LogLine(kLevels[level < 0 || level > 3 ? 1 : level], "engine").with("text", line);
}

std::vector<const char*> pointers(const std::vector<std::string>& strings) {
  std::vector<const char*> out;
  for (const auto& s : strings) out.push_back(s.c_str());
  return out;
}

const char* text_or_null(const std::string& s) { return s.empty() ? nullptr : s.c_str(); }

}  // namespace

EngineConfig::EngineConfig(const Config& config)
    : listen_(pointers(config.listen)), public_address_(pointers(config.public_address)) {
  sluice_config_init(&c);
  c.listen = listen_.empty() ? nullptr : listen_.data();
  c.listen_count = listen_.size();
  c.public_address = public_address_.empty() ? nullptr : public_address_.data();
  c.public_address_count = public_address_.size();
  c.cores = text_or_null(config.cores);
  c.shards = config.shards;
  c.io = config.io;
  c.srtp = config.srtp;
  c.busy_poll = config.busy_poll ? 1 : 0;
  c.max_sessions = config.max_sessions;
  c.max_rooms = config.max_rooms;
  c.dtls_cert_file = text_or_null(config.dtls_cert);
  c.dtls_key_file = text_or_null(config.dtls_key);
  c.echo_delay_ms = config.echo_delay_ms;
  c.log = log_line;
  c.log_user = &said;
}

namespace {

/// "dtls_cert_file" is --dtls-cert to a person, "listen[1]" is --listen.
std::string option_of(std::string_view field) {
  std::string name(field.substr(0, field.find('[')));
  std::ranges::replace(name, '_', '-');
  for (const std::string_view unit : {"-file", "-ms"})
    if (name.ends_with(unit)) name.resize(name.size() - unit.size());
  return find_option(name) != nullptr ? fmt::format("--{}", name) : std::string(field);
}

}  // namespace

int report(const sluice_error& error) {
  std::string_view message = error.message;
  if (message.ends_with('.')) message.remove_suffix(1);
  std::string text =
      fmt::format("sluice: {}{}{}", option_of(error.field), error.field[0] != '\0' ? ": " : "", message);
  if (error.fix[0] != '\0') text += fmt::format("; {}", error.fix);
  fmt::print(stderr, "{}\n", text);
  return error.code == SLUICE_E_INVALID ? 2 : 1;
}

}  // namespace sluice
