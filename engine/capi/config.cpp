#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "engine/capi/handle.h"
#include "engine/relay/text.h"

namespace sluice::capi {
namespace {

using engine::Failure;

std::expected<void, Failure> parse_listen(const sluice_config& c, ParsedConfig& out) {
  if (auto ok = check_list("listen", c.listen, c.listen_count); !ok) return ok;
  for (size_t i = 0; i < c.listen_count; ++i) {
    const auto e = parse_endpoint(c.listen[i]);
    if (!e)
      return std::unexpected(invalid(fmt::format("listen[{}]", i),
                                     fmt::format("\"{}\" is no ADDR:PORT", c.listen[i]),
                                     "write 192.0.2.1:3478 or [2001:db8::1]:3478"));
    out.listen.push_back(*e);
  }
  if (out.listen.empty()) out.listen.push_back({Address{}, engine::relay::kListenPort});
  return {};
}

std::expected<void, Failure> parse_public(const sluice_config& c, ParsedConfig& out) {
  if (auto ok = check_list("public_address", c.public_address, c.public_address_count); !ok) return ok;
  for (size_t i = 0; i < c.public_address_count; ++i) {
    const auto e = engine::relay::parse_public(c.public_address[i]);
    if (!e) return std::unexpected(invalid_text(fmt::format("public_address[{}]", i), e.error()));
    out.public_addresses.push_back(*e);
  }
  return {};
}

std::expected<void, Failure> parse_cores_and_shards(const sluice_config& c, ParsedConfig& out) {
  const auto allowed = engine::allowed_cores();
  out.cores = allowed;
  if (c.cores != nullptr && *c.cores != 0) {
    auto cores = engine::parse_cores(c.cores, allowed);
    if (!cores)
      return std::unexpected(
          invalid("cores", cores.error(), "write a list such as 0,2-3; nproc tells how many there are"));
    out.cores = std::move(*cores);
  }
  out.engine.shards = c.shards != 0 ? c.shards : static_cast<uint32_t>(out.cores.size());
  return check_range("shards", out.engine.shards, 1, engine::kMaxShards);
}

srtp::Kind srtp_kind(sluice_srtp s) {
  switch (s) {
    case SLUICE_SRTP_IPSEC_MB:
      return srtp::Kind::ipsec_mb;
    case SLUICE_SRTP_OPENSSL:
      return srtp::Kind::openssl;
    case SLUICE_SRTP_LIBSRTP:
      return srtp::Kind::libsrtp;
    case SLUICE_SRTP_AUTO:
      break;
  }
  return srtp::Kind::automatic;
}

}  // namespace

Failure invalid(std::string field, std::string message, std::string fix) {
  return {SLUICE_E_INVALID, std::move(field), std::move(message), std::move(fix)};
}

std::expected<void, Failure> check_range(const char* field, uint64_t value, uint64_t lo, uint64_t hi) {
  if (value >= lo && value <= hi) return {};
  return std::unexpected(
      invalid(field, fmt::format("{} is out of range", value), fmt::format("use {} to {}", lo, hi)));
}

std::expected<void, Failure> check_list(const char* field, const char* const* list, size_t n) {
  if (n == 0 || (list != nullptr && std::find(list, list + n, nullptr) == list + n)) return {};
  return std::unexpected(invalid(field, "a string is missing", "give as many strings as the count says"));
}

Failure invalid_text(std::string field, std::string_view text) {
  const size_t semicolon = std::min(text.find("; "), text.size());
  return invalid(std::move(field), std::string(text.substr(0, semicolon)),
                 std::string(text.substr(std::min(semicolon + 2, text.size()))));
}

std::expected<ParsedConfig, Failure> parse(const sluice_config& c) {
  ParsedConfig out;
  if (auto ok = parse_listen(c, out); !ok) return std::unexpected(ok.error());
  if (auto ok = parse_public(c, out); !ok) return std::unexpected(ok.error());
  if (auto ok = parse_cores_and_shards(c, out); !ok) return std::unexpected(ok.error());
  if (auto ok = check_range("max_sessions", c.max_sessions, 1, 65536); !ok)
    return std::unexpected(ok.error());
  if (auto ok = check_range("max_rooms", c.max_rooms, 1, 65536); !ok) return std::unexpected(ok.error());
  if (auto ok = check_range("max_streams", c.max_streams, 0, slow::StreamId::kMaxStreams); !ok)
    return std::unexpected(ok.error());
  if (auto ok = check_range("echo_delay_ms", c.echo_delay_ms, 0, 2000); !ok)
    return std::unexpected(ok.error());
  if ((c.dtls_cert_file == nullptr) != (c.dtls_key_file == nullptr))
    return std::unexpected(invalid(c.dtls_cert_file == nullptr ? "dtls_cert_file" : "dtls_key_file",
                                   "a certificate and its key go together", "give both files or neither"));
  if (auto ok = parse_relay(c, out); !ok) return std::unexpected(ok.error());
  if (const auto& trunk = out.engine.trunk.listen)
    if (auto ok = engine::relay::check_trunk_ports(
            engine::relay::trunk_ports(*trunk, out.engine.media, out.engine.shards), out.listen);
        !ok)
      return std::unexpected(invalid_text("trunk", ok.error()));
  out.engine.max_sessions = c.max_sessions;
  out.engine.max_rooms = c.max_rooms;
  out.engine.max_streams = c.max_streams;
  out.engine.echo_delay = millis(c.echo_delay_ms);
  out.engine.busy_poll = c.busy_poll != 0;
  out.engine.prefault = c.prefault != 0;
  out.engine.srtp = srtp_kind(c.srtp);
  out.io = c.io == SLUICE_IO_URING  ? io::Kind::uring
           : c.io == SLUICE_IO_MMSG ? io::Kind::mmsg
                                    : io::Kind::automatic;
  if (c.dtls_cert_file != nullptr) out.cert_file = c.dtls_cert_file, out.key_file = c.dtls_key_file;
  return out;
}

std::expected<void, Failure> check_size(const char* what, size_t size) {
  if (size != 0) return {};
  return std::unexpected(
      invalid(what, "the struct does not say how large it is", "zero it and set size = sizeof it first"));
}

void copy_text(char* out, size_t cap, std::string_view text) {
  const size_t n = std::min(text.size(), cap - 1);
  std::copy_n(text.data(), n, out);
  out[n] = 0;
}

sluice_code put_text(std::string_view text, char* out, size_t cap, size_t* len, const char* field,
                     sluice_error* err) {
  *len = text.size();
  if (text.size() + 1 > cap)
    return report(err, {SLUICE_E_BUFFER, field, "the text does not fit", "give a larger buffer"});
  copy_text(out, cap, text);
  return SLUICE_OK;
}

sluice_code report(sluice_error* err, const Failure& f) {
  const auto code = static_cast<sluice_code>(f.code);
  if (err == nullptr) return code;
  sluice_error full{};
  full.code = code;
  copy_text(full.field, f.field);
  copy_text(full.message, f.message);
  copy_text(full.fix, f.fix);
  hand_out(err, full);
  return code;
}

}  // namespace sluice::capi
