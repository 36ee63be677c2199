// Offers in, answers out: the control side of a session's beginning and of an ICE restart.

#include <algorithm>

#include <fmt/format.h>

#include "engine/engine.h"
#include "engine/sluice.h"
#include "net/dtls/fingerprint.h"
#include "net/sdp/answer.h"
#include "net/sdp/fragment.h"

namespace sluice::engine {
namespace {

constexpr size_t kNameMax = 64;
/// First packets must come within a day of the offer; calls may last longer (net/ice/check.h, Expiry).
constexpr uint16_t kUfragLifetime = 24 * 6;

bool is_name(std::string_view s) {
  const auto ok = [](char ch) {
    return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') || ch == '.' ||
           ch == '_' || ch == '-';
  };
  return !s.empty() && s.size() <= kNameMax && std::ranges::all_of(s, ok);
}

Failure failure_of(const sdp::Error& e) {
  const int code = e.kind == sdp::ErrorKind::malformed ? SLUICE_E_INVALID : SLUICE_E_UNSUPPORTED;
  std::string message = e.line > 0 ? fmt::format("{} (line {})", e.message, e.line) : e.message;
  return {code, e.field, std::move(message), e.fix};
}

sdp::Role sdp_role(Role r) {
  switch (r) {
    case Role::publish:
      return sdp::Role::publish;
    case Role::play:
      return sdp::Role::play;
    case Role::agent:
      break;
  }
  return sdp::Role::agent;
}

FingerprintSpec fingerprint_of(const sdp::Fingerprint& f) {
  FingerprintSpec out;
  const auto alg = f.alg == sdp::HashAlg::sha256   ? dtls::HashAlg::sha256
                   : f.alg == sdp::HashAlg::sha384 ? dtls::HashAlg::sha384
                                                   : dtls::HashAlg::sha512;
  out.algorithm = static_cast<uint8_t>(alg);
  out.len = f.size;
  std::copy_n(f.bytes.begin(), f.size, out.bytes.begin());
  return out;
}

void set_extensions(rtp::ExtMap& map, const sdp::ExtensionIds& ids) {
  const auto set = [&](rtp::ExtKind k, uint8_t id) {
    if (id != 0) map.set(k, id);
  };
  set(rtp::ExtKind::mid, ids.mid);
  set(rtp::ExtKind::audio_level, ids.audio_level);
  set(rtp::ExtKind::transport_cc, ids.transport_cc);
  set(rtp::ExtKind::video_orientation, ids.video_orientation);
}

TrackSpec track_of(const sdp::NegotiatedMedia& m, Ssrc ssrc) {
  TrackSpec t;
  t.used = true;
  t.receive = sdp::receives(m.direction);
  t.send = sdp::sends(m.direction);
  t.tx_ssrc = ssrc;
  t.mid.assign(m.mid);
  set_extensions(t.ext, m.ext);
  for (const sdp::NegotiatedCodec& codec : m.codecs) {
    if (t.payloads_n == TrackSpec::kMaxPayloads) break;
    t.payloads[t.payloads_n++] = {codec.pt, static_cast<uint8_t>(1 + static_cast<uint8_t>(codec.codec))};
    t.clock_rate = codec.clock_rate;
    t.nack |= codec.feedback.nack;
    t.pli |= codec.feedback.nack_pli;
    t.transport_cc |= codec.feedback.transport_cc && m.ext.transport_cc != 0;
  }
  return t;
}

size_t kind_index(sdp::MediaKind k) {
  return static_cast<size_t>(k == sdp::MediaKind::audio ? MediaKind::audio : MediaKind::video);
}

/// Tracks share their keys, so two of one SSRC would share their key streams (RFC 3711 §9.1).
Ssrc fresh_ssrc(crypto::Random random, const SessionSpec& spec) {
  for (;;) {
    const Ssrc ssrc{random.u32() | 1};
    if (std::ranges::none_of(spec.track, [&](const TrackSpec& t) { return t.tx_ssrc == ssrc; })) return ssrc;
  }
}

std::string token(crypto::Random random) { return fmt::format("{:016x}", random.u64()); }

}  // namespace

std::expected<void, Failure> Engine::check_room(const AcceptRequest& request) const {
  if (!is_name(request.name))
    return std::unexpected(Failure{SLUICE_E_INVALID, "name", "the name is not 1 to 64 of A-Z a-z 0-9 . _ -",
                                   "choose another room or agent name"});
  if (request.role == Role::agent) {
    if (request.name == "echo") return {};
    return std::unexpected(
        Failure{SLUICE_E_NOT_FOUND, "name", "there is no agent of that name", "use agent echo"});
  }
  const Room* room = rooms_.find(request.name);
  if (request.role != Role::publish || room == nullptr || !room->claimant || request.takeover) return {};
  return std::unexpected(Failure{SLUICE_E_CONFLICT, "name", "the room has a publisher already",
                                 "hang that session up, use another room, or ask for takeover"});
}

std::expected<void, Failure> Engine::hold_room(SessionRecord& record, const AcceptRequest& request) {
  if (request.role == Role::agent) return {};
  const auto room = rooms_.hold(request.name);
  if (!room)
    return std::unexpected(
        Failure{SLUICE_E_LIMIT, "name", "all rooms are in use", "raise max-rooms, or try later"});
  record.spec.room = room->index;
  record.spec.room_gen = room->gen;
  if (request.role == Role::publish) rooms_.at(room->index).claimant = record.spec.key;
  return {};
}

void Engine::mint(SessionRecord& record, Micros now) {
  SessionSpec& spec = record.spec;
  ice::UfragFields f;
  f.region = config_.node.region;
  f.node = config_.node.node;
  f.session_index = spec.key.index;
  f.session_gen = spec.key.gen;
  f.ice_generation = spec.ice_generation;
  const auto unix_s = static_cast<uint64_t>(now.us + wall_offset_us_) / 1'000'000;
  f.expiry = static_cast<ice::ExpiryUnit>(ice::expiry_unit(unix_s) + kUfragLifetime);
  spec.local_ufrag.assign(ice::text(keys_.keys().routes.mint(f, fleet_keys_[0].id)));
}

sdp::LocalTransport Engine::local_transport(const SessionRecord& record) const {
  const SessionSpec& spec = record.spec;
  sdp::LocalTransport local;
  local.ufrag = spec.local_ufrag.view();
  local.pwd = keys_.keys().password_of(fleet_keys_[0].id, spec.local_ufrag.view()).text();
  local.fingerprint = fmt::format("sha-256 {}", dtls::to_text(dtls_.fingerprint()));
  local.candidates = config_.candidates;
  local.tcp_candidates = config_.tcp_candidates;
  local.session_id = record.sdp_session_id;
  local.session_version = record.sdp_version;
  local.cname = spec.cname.view();
  for (const sdp::NegotiatedMedia& m : record.negotiation.media) {
    if (!sdp::sends(m.direction)) continue;
    const TrackSpec& t = spec.track[kind_index(m.kind)];
    local.media.push_back(
        {m.index, t.tx_ssrc.v, local.cname, fmt::format("{}-{}", local.cname, sdp::name_of(m.kind))});
  }
  return local;
}

std::expected<Accepted, Failure> Engine::accept(const AcceptRequest& request, Micros now) {
  if (drain_at_)
    return std::unexpected(
        Failure{SLUICE_E_DRAINING, "", "this server is shutting down", "try another server"});
  if (!config_.media)
    return std::unexpected(Failure{SLUICE_E_UNSUPPORTED, "role",
                                   "this process only relays, it ends no sessions",
                                   "ask a media tier, or run it with --role both"});
  if (auto ok = check_room(request); !ok) return std::unexpected(ok.error());
  const auto offer = sdp::parse_offer(request.offer);
  if (!offer) return std::unexpected(failure_of(offer.error()));
  sdp::Policy policy;
  policy.role = sdp_role(request.role);
  auto negotiation = sdp::negotiate(*offer, policy);
  if (!negotiation) return std::unexpected(failure_of(negotiation.error()));

  SessionRecord* record = registry_.create(now);
  if (record == nullptr)
    return std::unexpected(Failure{SLUICE_E_LIMIT, "", "as many sessions as this server holds are open",
                                   "raise max-sessions, or try later"});
  SessionSpec& spec = record->spec;
  spec.role = request.role;
  if (auto held = hold_room(*record, request); !held) {
    registry_.erase(spec.key);
    return std::unexpected(held.error());
  }
  record->name = request.name;
  record->negotiation = std::move(*negotiation);
  record->sdp_session_id = random_.u64() >> 2;
  spec.echo_delay = config_.echo_delay;
  spec.remote_ufrag.assign(record->negotiation.transport.ufrag);
  std::string& remote_pwd = record->negotiation.transport.pwd;
  spec.remote_pwd.assign(remote_pwd);
  crypto::cleanse({reinterpret_cast<uint8_t*>(remote_pwd.data()), remote_pwd.size()});
  remote_pwd.clear();
  spec.fingerprint = fingerprint_of(record->negotiation.transport.fingerprint);
  spec.cname.assign(token(random_));
  for (const sdp::NegotiatedMedia& m : record->negotiation.media)
    spec.track[kind_index(m.kind)] = track_of(m, fresh_ssrc(random_, spec));
  mint(*record, now);
  directory_.publish(spec);
  setups_.push_back(spec.key);
  ++totals_.created;
  emit(Event::Kind::created, *record, now);
  return Accepted{spec.key, record->ice_generation,
                  sdp::write_answer(*offer, record->negotiation, local_transport(*record))};
}

std::expected<Trickled, Failure> Engine::trickle(SessionKey key, std::optional<uint32_t> generation,
                                                 std::string_view text, size_t answer_max, Micros now) {
  SessionRecord* record = registry_.find(key);
  if (record == nullptr || record->state == CallState::closed || record->closing)
    return std::unexpected(Failure{SLUICE_E_NOT_FOUND, "session", "there is no such session", "offer again"});
  if (generation && *generation != record->ice_generation)
    return std::unexpected(Failure{SLUICE_E_STALE, "generation",
                                   "the entity tag names an ICE session that is over",
                                   "use the newest ETag, or * for an ICE restart"});
  const auto fragment = sdp::parse_fragment(text);
  if (!fragment) return std::unexpected(failure_of(fragment.error()));
  if (fragment->ufrag.empty() || fragment->ufrag == record->spec.remote_ufrag.view())
    return Trickled{record->ice_generation, {}};
  // RFC 9725 §4.3.2: new credentials restart ICE.
  SessionRecord next = *record;
  next.spec.remote_ufrag.assign(fragment->ufrag);
  next.spec.remote_pwd.assign(fragment->pwd);
  ++next.ice_generation;
  ++next.sdp_version;
  next.spec.ice_generation = static_cast<uint8_t>(next.ice_generation);
  mint(next, now);
  std::string answer = sdp::write_fragment(next.negotiation, local_transport(next));
  const bool fits = answer.size() <= answer_max;
  if (fits) {
    *record = next;
    directory_.publish(record->spec);
  }
  cleanse(next.spec);
  return Trickled{record->ice_generation, std::move(answer)};
}

}  // namespace sluice::engine
