#include "tools/sluice/explain.h"

#include <fmt/format.h>

namespace sluice {

std::string explain_values(const Config& config) {
  std::string out = "Configuration:\n";
  for (const Option& o : options()) {
    const auto source = config.source.find(o.name);
    const bool given = source != config.source.end();
    fmt::format_to(std::back_inserter(out), "  {:<21} {:<40} {}\n", o.name,
                   given ? o.show(config) : std::string(o.standard), given ? source->second : "default");
  }
  return out;
}

std::string explain_access(const Config& config) {
  const bool loopback = config.http.addr.is_loopback();
  const bool https = !config.http_cert.empty();
  std::string out = "Who may do what:\n";
  const auto say = [&](std::string_view text) { out.append("  ").append(text).append("\n"); };
  if (!config.admin_token.empty())
    say("/v1, /metrics, hanging up: the admin token, from the console's own origin or no browser");
  else if (loopback)
    say("/v1, /metrics, hanging up: everybody on this machine; --admin-token would ask for a token");
  else
    say("/v1, /metrics, hanging up: nobody, since HTTP is not on loopback and there is no --admin-token");
  if (!config.room_secret.empty())
    say("publishing, playing, talking: who has a room token (sluice token room), from any origin");
  else
    say(loopback ? "publishing, playing, talking: everybody on this machine"
                 : "publishing, playing, talking: everybody who reaches the port; --room-secret would ask "
                   "for a token");
  if (config.room_secret.empty())
    say(fmt::format("web pages that may do so: the console, loopback origins{}{}",
                    config.http_origin.empty() ? "" : ", ", fmt::join(config.http_origin, ", ")));
  if (https)
    say("transport: HTTPS");
  else
    say(loopback ? "transport: HTTP, enough for a microphone on localhost"
                 : "transport: HTTP; a browser gives its microphone to HTTPS only, see --http-cert");
  return out;
}

}  // namespace sluice
