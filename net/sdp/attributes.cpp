#include "net/sdp/attributes.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

namespace sluice::sdp {

using text::equal_nocase;
using text::Place;
using text::quoted;
using text::Status;
using text::take_until;
using text::take_word;

namespace {

struct Hash {
  std::string_view name;
  HashAlg alg;
  uint8_t size;
};
constexpr std::array kHashes{Hash{"sha-256", HashAlg::sha256, 32}, Hash{"sha-384", HashAlg::sha384, 48},
                             Hash{"sha-512", HashAlg::sha512, 64}};

constexpr std::array<std::pair<std::string_view, Setup>, 4> kSetups{{
    {"active", Setup::active},
    {"passive", Setup::passive},
    {"actpass", Setup::actpass},
    {"holdconn", Setup::holdconn},
}};

constexpr std::array<std::pair<std::string_view, CandidateType>, 4> kCandidateTypes{{
    {"host", CandidateType::host},
    {"srflx", CandidateType::srflx},
    {"prflx", CandidateType::prflx},
    {"relay", CandidateType::relay},
}};

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// "AB:CD:..." of exactly `out.size` bytes.
bool parse_hex_pairs(std::string_view s, Fingerprint& out) {
  if (s.size() != size_t{out.size} * 3 - 1) return false;
  for (size_t i = 0; i < out.size; ++i) {
    const int high = hex_digit(s[i * 3]), low = hex_digit(s[i * 3 + 1]);
    if (high < 0 || low < 0 || (i > 0 && s[i * 3 - 1] != ':')) return false;
    out.bytes[i] = static_cast<uint8_t>(high * 16 + low);
  }
  return true;
}

bool is_host_name(std::string_view s) {
  return !s.empty() && s.size() <= 255 && std::ranges::all_of(s, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '.';
  });
}

/// Sets a value that may be said twice only in the same words.
Status set_once(std::string& target, std::string_view value, std::string_view name, const Place& at) {
  if (!target.empty() && target != value)
    return at.malformed(name, "a=" + std::string(name) + " is given twice with different values",
                        "Give it once.");
  target = value;
  return {};
}

Status parse_setup(std::string_view value, const Place& at, TransportAttributes& out) {
  const auto found = std::ranges::find(kSetups, value, &std::pair<std::string_view, Setup>::first);
  if (found == kSetups.end())
    return at.malformed("setup", "a=setup has the unknown value " + quoted(value),
                        "Offer actpass, as RFC 8842 section 5.2 asks.");
  if (out.setup != Setup::none && out.setup != found->second)
    return at.malformed("setup", "a=setup is given twice with different values", "Give it once.");
  out.setup = found->second;
  return {};
}

}  // namespace

std::string_view name_of(HashAlg alg) { return kHashes[static_cast<size_t>(alg)].name; }

std::optional<Candidate> parse_candidate(std::string_view value) {
  Candidate c;
  c.foundation = take_word(value);
  const auto component = text::parse_number<uint16_t>(take_word(value));
  const std::string_view transport = take_word(value);
  const auto priority = text::parse_number<uint32_t>(take_word(value));
  c.host = take_word(value);
  const auto port = text::parse_number<uint16_t>(take_word(value));
  const bool typ = take_word(value) == "typ";
  const std::string_view type_name = take_word(value);
  const auto type =
      std::ranges::find(kCandidateTypes, type_name, &std::pair<std::string_view, CandidateType>::first);

  c.tcp = equal_nocase(transport, "tcp");
  if (!text::is_ice_chars(c.foundation, 1, 32) || component != 1 ||
      (!c.tcp && !equal_nocase(transport, "udp")) || !priority || !port || *port == 0 || !typ ||
      type == kCandidateTypes.end())
    return std::nullopt;
  c.priority = *priority;
  c.port = *port;
  c.type = type->second;
  if (const auto address = parse_address(c.host))
    c.endpoint = Endpoint{*address, c.port};
  else if (!is_host_name(c.host))
    return std::nullopt;
  return c;
}

Status parse_fingerprint(std::string_view value, const Place& at, TransportAttributes& out) {
  const std::string_view name = take_word(value);
  const auto hash = std::ranges::find_if(kHashes, [&](const Hash& h) { return equal_nocase(h.name, name); });
  if (hash == kHashes.end()) {
    if (!text::is_token(name))
      return at.malformed("fingerprint", "a=fingerprint names no hash function",
                          "Write a=fingerprint:sha-256 and the certificate's hash.");
    out.other_fingerprint = true;
    return {};
  }
  Fingerprint f{.alg = hash->alg, .size = hash->size};
  if (!parse_hex_pairs(text::trimmed(value), f))
    return at.malformed(
        "fingerprint",
        "a=fingerprint is not " + std::to_string(hash->size) + " bytes in hexadecimal with colons",
        "Write the certificate's hash as AB:CD:... (RFC 8122 section 5).");
  if (out.fingerprints.size() < kFingerprintsMax) out.fingerprints.push_back(f);
  return {};
}

Status parse_transport_attribute(std::string_view name, std::string_view value, const Place& at,
                                 TransportAttributes& out, bool& known) {
  known = true;
  if (name == "ice-ufrag") {
    if (!text::is_ice_chars(value, 4, 256))
      return at.malformed(name, "a=ice-ufrag is not 4 to 256 letters, digits, + and /",
                          "Make it as RFC 8839 section 5.4 says.");
    return set_once(out.ufrag, value, name, at);
  }
  if (name == "ice-pwd") {
    if (!text::is_ice_chars(value, 22, 256))
      return at.malformed(name, "a=ice-pwd is not 22 to 256 letters, digits, + and /",
                          "Make it as RFC 8839 section 5.4 says.");
    return set_once(out.pwd, value, name, at);
  }
  if (name == "ice-options") {
    // RFC 8839 §5.6 separates options by spaces; libdatachannel writes commas.
    while (!value.empty()) {
      std::string_view words = take_until(value, ',');
      for (auto word = take_word(words); !word.empty(); word = take_word(words))
        if (word == "trickle") out.trickle = true;
    }
    return {};
  }
  if (name == "fingerprint") return parse_fingerprint(value, at, out);
  if (name == "setup") return parse_setup(value, at, out);
  known = false;
  return {};
}

std::optional<Direction> parse_direction(std::string_view name) {
  for (const Direction d :
       {Direction::sendrecv, Direction::sendonly, Direction::recvonly, Direction::inactive})
    if (name == name_of(d)) return d;
  return std::nullopt;
}

}  // namespace sluice::sdp
