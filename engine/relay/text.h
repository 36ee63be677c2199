// How people write what the relay tier is configured by. Control side.
#pragma once

#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/relay/config.h"

namespace sluice::engine::relay {

/// What is wrong with a text and, behind a semicolon, what would be right.
using TextError = std::string;

/// Lines that are not empty, without their ends (LF or CRLF), numbered from 1. Views into `text`.
struct TextLine {
  size_t number = 0;
  std::string_view text;
};
std::vector<TextLine> lines_of(std::string_view text);

/// "NODE" or "REGION.NODE", decimal.
std::expected<ServerId, TextError> parse_server_id(std::string_view text);
/// "7", or "3.7" where there is a region.
std::string to_text(ServerId id);

/// "ADDR:PORT" that packets can be sent to: neither unspecified nor multicast, no port 0.
std::expected<Endpoint, TextError> parse_target(std::string_view text);
/// What clients are told: "ADDR:PORT", or "ADDR" alone, which leaves the port 0: those that are listened on.
std::expected<Endpoint, TextError> parse_public(std::string_view text);
/// "ID=ADDR:PORT[,trunk]".
std::expected<ServerConfig, TextError> parse_server(std::string_view text);

/// Where the trunk's sockets would be: `trunk` itself on a media tier, on a relay alone a port for each shard
/// from there on. None where the system chooses.
struct TrunkPorts {
  Endpoint first;
  uint32_t count = 0;
};
constexpr TrunkPorts trunk_ports(const Endpoint& trunk, bool media, uint32_t shards) {
  return {trunk, trunk.port == 0 ? 0 : media ? 1 : shards};
}
/// An endpoint has one purpose: the error names the one of `listen` that the trunk would need.
std::expected<void, TextError> check_trunk_ports(const TrunkPorts& trunk, std::span<const Endpoint> listen);

/// "10.0.0.0/8", "2001:db8::/32", or an address alone. No bit behind the prefix may be set.
std::expected<Cidr, TextError> parse_cidr(std::string_view text);
/// "LO-HI", 1024..65535, of at least one whole block of io::kPortBlock.
std::expected<io::PortRange, TextError> parse_ports(std::string_view text);
/// "NAME:PASSWORD"; the error repeats neither.
std::expected<TurnUser, TextError> parse_turn_user(std::string_view text);
/// Secrets of time-limited TURN credentials, the newest first: at most kTurnSecretsMax lines, each of 1 to
/// kSecretBytesMax bytes of printable ASCII; empty ones do not count. Views into `text`. The error goes on
/// from the name of the file.
inline constexpr size_t kTurnSecretsMax = 2;
std::expected<std::vector<TextLine>, TextError> parse_turn_secrets(std::string_view text);
/// "holds 7 characters, use at least ..." for a secret or password that is soon guessed; else empty.
std::string weakness_of(std::string_view secret);
/// RFC 8489 §14.9 asks for less than 128 characters; a short one keeps a 401 small (net/turn/server.h).
inline constexpr size_t kRealmBytesMax = 24;
bool valid_realm(std::string_view text);

}  // namespace sluice::engine::relay
