#include "tools/sluice/config.h"

#include <algorithm>
#include <fstream>
#include <iterator>

#include <fmt/format.h>

#include "engine/relay/text.h"
#include "tools/sluice/relay_options.h"

namespace sluice {
namespace {

/// How many characters to replace, insert, remove or swap with their neighbour (optimal string alignment).
size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<size_t>> d(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) {
    for (size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        d[i][j] = i + j;
        continue;
      }
      const size_t replaced = d[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      d[i][j] = std::min({replaced, d[i - 1][j] + 1, d[i][j - 1] + 1});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  }
  return d[a.size()][b.size()];
}

std::expected<void, UsageError> apply(Config& config, const Option& option,
                                      const std::vector<std::string>& values, const std::string& source) {
  if (values.size() > 1 && !option.many)
    return std::unexpected(
        UsageError{fmt::format("{}: given {} times; give it once", source, values.size())});
  for (const auto& v : values)
    if (auto applied = option.apply(config, v); !applied)
      return std::unexpected(UsageError{fmt::format("{}: {}", source, applied.error())});
  config.source.insert_or_assign(std::string(option.name), source);
  return {};
}

std::expected<void, UsageError> check_whole(const Config& c) {
  const auto pair = [](const std::string& cert, const std::string& key, std::string_view a,
                       std::string_view b) -> std::expected<void, UsageError> {
    if (cert.empty() == key.empty()) return {};
    return std::unexpected(UsageError{
        fmt::format("--{} needs --{}; give both or neither", cert.empty() ? b : a, cert.empty() ? a : b)});
  };
  if (auto r = pair(c.http_cert, c.http_key, "http-cert", "http-key"); !r) return r;
  if (auto r = pair(c.dtls_cert, c.dtls_key, "dtls-cert", "dtls-key"); !r) return r;
  if (!c.cores.empty() && c.shards != 0)
    return std::unexpected(UsageError{"--cores and --shards exclude each other; give one of them"});
  return check_relay(c);
}

}  // namespace

std::string_view closest(std::string_view name, std::span<const std::string_view> known) {
  std::string_view best;
  size_t least = std::max<size_t>(1, name.size() / 3) + 1;
  if (name.size() > 64) return best;
  for (const std::string_view k : known) {
    const size_t d = distance(name, k);
    if (d >= least) continue;
    least = d;
    best = k;
  }
  return best;
}

std::expected<Config, UsageError> load_config_text(const RawFlags& flags, std::string_view toml,
                                                   std::string_view file_name) {
  const auto file = read_toml(toml, file_name);
  if (!file) return std::unexpected(file.error());
  Config config;
  for (const Option& option : options()) {
    if (const auto flag = flags.find(option.name); flag != flags.end()) {
      if (auto r = apply(config, option, flag->second, fmt::format("--{}", option.name)); !r)
        return std::unexpected(r.error());
    } else if (const auto key = file->find(option.name); key != file->end()) {
      if (auto r = apply(config, option, key->second.values,
                         fmt::format("{}: {}", key->second.source, option.name));
          !r)
        return std::unexpected(r.error());
    }
  }
  if (auto r = check_whole(config); !r) return std::unexpected(r.error());
  return config;
}

std::expected<Config, UsageError> load_config(const RawFlags& flags, const std::string& toml_path) {
  std::string text;
  if (!toml_path.empty()) {
    std::ifstream in(toml_path, std::ios::binary);
    text.assign(std::istreambuf_iterator<char>(in), {});
    if (!in) return std::unexpected(UsageError{fmt::format("--config: cannot read {}", toml_path)});
  }
  return load_config_text(flags, text, toml_path);
}

http::Policy make_policy(const Config& config) {
  http::Policy p;
  p.loopback_only = config.http.addr.is_loopback();
  p.names = config.http_name;
  // Who says by which address the world reaches this machine has named it.
  EndpointText canonical;
  for (const auto& text : config.public_address)
    if (const auto e = engine::relay::parse_public(text)) p.names.emplace_back(format(e->addr, canonical));
  p.origins = config.http_origin;
  return p;
}

}  // namespace sluice
