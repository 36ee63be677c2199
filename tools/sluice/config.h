// What `sluice run` and `sluice check` are told, by flags and by a TOML file with keys of the same names.
// Flags win.
#pragma once

#include <expected>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/control/http/auth.h"
#include "engine/control/log.h"
#include "engine/sluice.h"
#include "net/base/endpoint.h"

namespace sluice {

struct Config {
  Endpoint http{Address::v4(127, 0, 0, 1), 8080};
  std::string http_cert, http_key;       ///< PEM files; both or neither
  std::vector<std::string> http_origin;  ///< canonical: "https://app.example"
  std::vector<std::string> http_name;    ///< lower case, without port
  std::string admin_token, room_secret;  ///< "@FILE"; never the secret itself
  std::vector<std::string> listen;       ///< "ADDR:PORT"; empty: every address, port 3478
  std::vector<std::string> public_address;
  std::string cores;    ///< "0,2-3"; empty: all that the process may use
  unsigned shards = 0;  ///< 0: one per core
  sluice_io io = SLUICE_IO_AUTO;
  sluice_srtp srtp = SLUICE_SRTP_AUTO;
  bool busy_poll = false;
  bool prefault = false;
  unsigned max_sessions = 4096;
  unsigned max_rooms = 1024;
  std::string dtls_cert, dtls_key;
  unsigned echo_delay_ms = 500;
  control::Level log_level = control::Level::info;
  bool log_addresses = false;
  unsigned drain_seconds = 20;
  std::string console_dir;

  // The relay tier. Lists and ranges are as typed, checked, and parsed again where they are used.
  sluice_tier role = SLUICE_TIER_BOTH;
  std::string node = "1";                     ///< "NODE" or "REGION.NODE"
  std::vector<std::string> server;            ///< "ID=ADDR:PORT[,trunk]"
  std::string trunk;                          ///< "ADDR:PORT"; empty: none
  bool trunk_direct = false;
  std::string trunk_key, route_key, ice_key;  ///< "@FILE"
  std::vector<std::string> relay_address;
  std::string relay_ports = "49152-65535";
  sluice_relay_ports relay_port_mode = SLUICE_RELAY_PORTS_AUTO;
  sluice_transmit transmit = SLUICE_TRANSMIT_AUTO;
  sluice_receive receive = SLUICE_RECEIVE_SOCKETS;
  unsigned max_streams = 4096;
  unsigned max_flows = 65536, max_routes = 65536, max_servers = 1024;
  unsigned flow_idle_s = 60;
  std::vector<std::string> turn_user;  ///< "USER:PASSWORD" or "@FILE"
  std::string turn_secret;             ///< "@FILE"
  std::string realm = "sluice";
  std::vector<std::string> turn_allow_peer;
  unsigned max_allocations = 16384, turn_user_quota = 0, turn_allocation_kbps = 0;
  std::vector<std::string> turn_tls;
  std::string turn_tls_cert, turn_tls_key;  ///< empty: those of HTTP

  bool turn_on() const { return !turn_user.empty() || !turn_secret.empty(); }

  std::map<std::string, std::string, std::less<>> source;  ///< option -> "--http" or "sluice.toml:3"
};

/// Wrong input: one line for a person. Usage: exit status 2.
struct UsageError {
  std::string text;
};

enum class Kind : unsigned char { text, number, toggle };

struct Option {
  std::string_view name;     ///< "http-cert": flag --http-cert, key http-cert
  std::string_view metavar;  ///< empty for a toggle
  std::string_view group;    ///< heading in --help
  std::string_view help;
  std::string_view standard;  ///< the default, for people
  Kind kind = Kind::text;
  bool many = false;  ///< may be given several times; an array in TOML
  /// Takes one value; the error says what is wrong with it and what would be right.
  std::expected<void, std::string> (*apply)(Config&, std::string_view value);
  /// The present value, for `sluice check`.
  std::string (*show)(const Config&);
};

std::span<const Option> options();
const Option* find_option(std::string_view name);
/// The known name closest to a mistyped one; empty if none is close.
std::string_view closest(std::string_view name, std::span<const std::string_view> known);

/// What the command line said: option name -> values, as typed.
using RawFlags = std::map<std::string, std::vector<std::string>, std::less<>>;

/// `toml_path` may be empty. Everything is checked, also what depends on several options.
std::expected<Config, UsageError> load_config(const RawFlags& flags, const std::string& toml_path);
/// For tests: the file's text.
std::expected<Config, UsageError> load_config_text(const RawFlags& flags, std::string_view toml,
                                                   std::string_view file_name);

/// Reads a TOML text into raw values with where each came from; checks names and types.
struct FileValue {
  std::vector<std::string> values;
  std::string source;  ///< "sluice.toml:3"
};
std::expected<std::map<std::string, FileValue, std::less<>>, UsageError> read_toml(
    std::string_view toml, std::string_view file_name);

/// Who may do what follows from the configuration; the secrets are read by the caller.
http::Policy make_policy(const Config& config);

}  // namespace sluice
