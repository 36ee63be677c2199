#include <algorithm>
#include <array>

#include "engine/relay/text.h"
#include "tools/sluice/config.h"
#include "tools/sluice/option_values.h"
#include "tools/sluice/relay_options.h"

namespace sluice {
namespace {

using namespace option_values;

constexpr std::array kIo{Choice<sluice_io>{"auto", SLUICE_IO_AUTO},
                         Choice<sluice_io>{"uring", SLUICE_IO_URING},
                         Choice<sluice_io>{"mmsg", SLUICE_IO_MMSG}};
constexpr std::array kSrtp{
    Choice<sluice_srtp>{"auto", SLUICE_SRTP_AUTO}, Choice<sluice_srtp>{"ipsec-mb", SLUICE_SRTP_IPSEC_MB},
    Choice<sluice_srtp>{"openssl", SLUICE_SRTP_OPENSSL}, Choice<sluice_srtp>{"libsrtp", SLUICE_SRTP_LIBSRTP}};
constexpr std::array kLevels{Choice<control::Level>{"debug", control::Level::debug},
                             Choice<control::Level>{"info", control::Level::info},
                             Choice<control::Level>{"warning", control::Level::warning},
                             Choice<control::Level>{"error", control::Level::error}};

Applied listen(Config& c, std::string_view text) {
  Endpoint e;
  if (auto bad = endpoint(text, e); !bad) return bad;
  EndpointText canonical;
  const std::string value(format(e, canonical));
  if (e.port != 0 && std::ranges::find(c.listen, value) != c.listen.end())
    return wrong(fmt::format("'{}' is given twice; name every endpoint once", text));
  c.listen.push_back(value);
  return {};
}

Applied public_address(Config& c, std::string_view text) {
  const auto e = engine::relay::parse_public(text);
  if (!e) return wrong(e.error());
  c.public_address.emplace_back(text);
  return {};
}

Applied cores(Config& c, std::string_view text) {
  constexpr unsigned kMaxCore = 1023;
  const auto bad = [&] {
    return wrong(fmt::format("'{}' is no list of cores from 0 to {}; write e.g. 0,2-3", text, kMaxCore));
  };
  std::string_view rest = text;
  while (true) {
    const std::string_view item = rest.substr(0, rest.find(','));
    const size_t dash = item.find('-');
    unsigned first = 0;
    unsigned last = 0;
    if (!number(item.substr(0, dash), 0, kMaxCore, first)) return bad();
    last = first;
    if (dash != std::string_view::npos && !number(item.substr(dash + 1), first, kMaxCore, last)) return bad();
    if (item.size() == rest.size()) break;
    rest.remove_prefix(item.size() + 1);
  }
  c.cores = std::string(text);
  return {};
}

Applied origin(Config& c, std::string_view text) {
  auto o = http::canonical_origin(text);
  if (!o) return wrong(fmt::format("'{}' is no origin; write e.g. https://app.example", text));
  c.http_origin.push_back(std::move(*o));
  return {};
}

Applied name(Config& c, std::string_view text) {
  const auto a = http::parse_authority(text);
  if (!a || !a->port.empty())
    return wrong(
        fmt::format("'{}' is no host name or address without a port; write e.g. media.example", text));
  c.http_name.push_back(a->host);
  return {};
}

using C = Config;
using V = std::string_view;

constexpr Option kOptions[] = {
    {"http", "ADDR:PORT", "HTTP", "Where signalling, the console and /v1 are served; port 0: any",
     "127.0.0.1:8080", Kind::text, false, [](C& c, V v) { return endpoint(v, c.http); },
     [](const C& c) { return endpoint_text(c.http); }},
    {"http-cert", "FILE", "HTTP",
     "Certificate chain (PEM) for HTTPS; a browser gives no microphone without it off localhost",
     "none: plain HTTP", Kind::text, false, [](C& c, V v) { return file(v, c.http_cert); },
     [](const C& c) { return c.http_cert; }},
    {"http-key", "FILE", "HTTP", "Its private key (PEM)", "none", Kind::text, false,
     [](C& c, V v) { return file(v, c.http_key); }, [](const C& c) { return c.http_key; }},
    {"http-origin", "ORIGIN", "HTTP", "A web site whose pages may publish, play and talk; repeatable",
     "loopback origins and the console", Kind::text, true, origin,
     [](const C& c) { return list(c.http_origin); }},
    {"http-name", "NAME", "HTTP", "A name that Host may carry; repeatable",
     "the listener's address, localhost", Kind::text, true, name,
     [](const C& c) { return list(c.http_name); }},
    {"admin-token", "@FILE", "HTTP", "File with the token that /v1 and /metrics want; required off loopback",
     "none", Kind::text, false, [](C& c, V v) { return secret(v, c.admin_token); },
     [](const C& c) { return c.admin_token; }},
    {"room-secret", "@FILE", "HTTP",
     "File with the secret that signs room tokens; with it signalling wants one", "none: no token wanted",
     Kind::text, false, [](C& c, V v) { return secret(v, c.room_secret); },
     [](const C& c) { return c.room_secret; }},
    {"console-dir", "DIR", "HTTP", "Serve the console from this folder, for working on it", "compiled in",
     Kind::text, false, [](C& c, V v) { return file(v, c.console_dir); },
     [](const C& c) { return c.console_dir; }},
    {"listen", "ADDR:PORT", "Media", "UDP endpoint for STUN, DTLS and SRTP; port 0: any; repeatable",
     "every address, port 3478", Kind::text, true, listen, [](const C& c) { return list(c.listen); }},
    {"public-address", "ADDR[:PORT]", "Media",
     "What candidates name instead of this host, e.g. a 1:1 NAT's address or a relay's; without a port: "
     "those of "
     "--listen; repeatable",
     "the host's own", Kind::text, true, public_address, [](const C& c) { return list(c.public_address); }},
    {"cores", "LIST", "Media", "Cores that get one packet thread each, e.g. 0,2-3",
     "all that the process may use", Kind::text, false, cores, [](const C& c) { return c.cores; }},
    {"shards", "N", "Media", "Number of packet threads, instead of --cores", "one per core", Kind::number,
     false, [](C& c, V v) { return number(v, 1, 256, c.shards); },
     [](const C& c) { return c.shards == 0 ? std::string() : std::to_string(c.shards); }},
    {"io", "auto|uring|mmsg", "Media", "Packet backend", "auto", Kind::text, false,
     [](C& c, V v) { return choose(v, kIo, c.io); }, [](const C& c) { return chosen(c.io, kIo); }},
    {"srtp", "auto|ipsec-mb|openssl|libsrtp", "Media", "SRTP ciphers", "auto", Kind::text, false,
     [](C& c, V v) { return choose(v, kSrtp, c.srtp); }, [](const C& c) { return chosen(c.srtp, kSrtp); }},
    {"busy-poll", "", "Media", "Packet threads spin instead of sleeping", "off", Kind::toggle, false,
     [](C& c, V v) { return toggle(v, c.busy_poll); }, [](const C& c) { return yes(c.busy_poll); }},
    {"prefault", "", "Media",
     "Take all memory of the packet threads at start, so that no packet waits for a page of it", "off",
     Kind::toggle, false, [](C& c, V v) { return toggle(v, c.prefault); },
     [](const C& c) { return yes(c.prefault); }},
    {"dtls-cert", "FILE", "Media", "DTLS certificate (PEM, ECDSA P-256)", "made at start", Kind::text, false,
     [](C& c, V v) { return file(v, c.dtls_cert); }, [](const C& c) { return c.dtls_cert; }},
    {"dtls-key", "FILE", "Media", "Its private key (PEM)", "made at start", Kind::text, false,
     [](C& c, V v) { return file(v, c.dtls_key); }, [](const C& c) { return c.dtls_key; }},
    {"max-sessions", "N", "Media", "Sessions at once", "4096", Kind::number, false,
     [](C& c, V v) { return number(v, 1, 65536, c.max_sessions); },
     [](const C& c) { return std::to_string(c.max_sessions); }},
    {"max-streams", "N", "Media",
     "TCP and TLS connections at once, for clients that UDP does not reach; TCP is served on the ports of --listen; "
     "0: off",
     "4096", Kind::number, false, [](C& c, V v) { return number(v, 0, 65536, c.max_streams); },
     [](const C& c) { return std::to_string(c.max_streams); }},
    {"max-rooms", "N", "Media", "Rooms at once", "1024", Kind::number, false,
     [](C& c, V v) { return number(v, 1, 65536, c.max_rooms); },
     [](const C& c) { return std::to_string(c.max_rooms); }},
    {"echo-delay", "MS", "Media", "The echo agent answers so many milliseconds later", "500", Kind::number,
     false, [](C& c, V v) { return number(v, 0, 2000, c.echo_delay_ms); },
     [](const C& c) { return std::to_string(c.echo_delay_ms); }},
    {"drain-seconds", "S", "Process", "How long calls may go on after SIGTERM", "20", Kind::number, false,
     [](C& c, V v) { return number(v, 0, 86400, c.drain_seconds); },
     [](const C& c) { return std::to_string(c.drain_seconds); }},
    {"log-level", "debug|info|warning|error", "Process", "What is written to stderr", "info", Kind::text,
     false, [](C& c, V v) { return choose(v, kLevels, c.log_level); },
     [](const C& c) { return chosen(c.log_level, kLevels); }},
    {"log-addresses", "", "Process", "Whole client addresses in the log instead of 203.0.113.x", "off",
     Kind::toggle, false, [](C& c, V v) { return toggle(v, c.log_addresses); },
     [](const C& c) { return yes(c.log_addresses); }},
};

}  // namespace

std::span<const Option> options() {
  static const std::vector<Option> all = [] {
    std::vector<Option> v(std::begin(kOptions), std::end(kOptions));
    const auto relay = relay_options();
    v.insert(v.end(), relay.begin(), relay.end());
    return v;
  }();
  return all;
}

const Option* find_option(std::string_view name) {
  for (const Option& o : options())
    if (o.name == name) return &o;
  return nullptr;
}

}  // namespace sluice
