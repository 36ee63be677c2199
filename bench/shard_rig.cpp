#include "bench/shard_rig.h"

#include <cstdio>
#include <cstdlib>

#include "net/rtp/header.h"

namespace sluice::bench {
namespace {

constexpr std::string_view kRemoteUfrag = "abcd", kRemotePwd = "0123456789012345678901";
constexpr uint8_t kOpus = 1, kPayloadType = 111;

ice::ShardKeys keys_of() {
  ice::ShardKeys keys;
  keys.add_route_key(0, std::array<uint8_t, 16>{1, 2, 3});
  keys.add_ice_key(0, ice::IceKey{4, 5, 6});
  return keys;
}

std::unique_ptr<srtp::Cipher> cipher_of(srtp::Kind kind) {
  auto cipher = srtp::Cipher::make(kind);
  if (!cipher) {
    std::fprintf(stderr, "%s\n", cipher.error().c_str());
    std::exit(1);
  }
  return std::move(*cipher);
}

engine::LinkSizes sizes_for(uint32_t sessions) {
  engine::LinkSizes s;
  s.notices = 4 * sessions;
  return s;
}

}  // namespace

ShardRig::ShardRig(uint32_t sessions, uint32_t rooms, srtp::Kind kind, uint32_t shards, RigParts parts)
    : directory_(sessions),
      links_(shards, sizes_for(sessions)),
      keys_(keys_of()),
      parts_(std::move(parts)),
      cipher_(cipher_of(kind)),
      now_(parts_.now),
      renewed_(now_) {
  limits_ = {.sessions = sessions, .rooms = rooms, .flows = 2 * sessions, .pool_slots = 8192 + 64 * rooms};
  for (uint32_t i = 0; i < shards; ++i) {
    shards_.push_back(std::make_unique<engine::Shard>(ShardId{static_cast<uint8_t>(i)}, shards, limits_,
                                                      directory_, links_.ports_of(i), keys_of(),
                                                      parts_.cipher ? parts_.cipher(cipher_of(kind))
                                                                    : cipher_of(kind),
                                                      random_.view(), now_, 0));
    std::unique_ptr<io::Backend> backend;
    if (parts_.backend) {
      backend = parts_.backend(shards_[i]->pool());
    } else {
      auto null = std::make_unique<NullBackend>(shards_[i]->pool());
      null->set_now(now_);
      null_.push_back(null.get());
      backend = std::move(null);
    }
    backends_.push_back(backend.get());
    shards_[i]->set_backend(std::move(backend));
    shards_[i]->set_busy_poll(true);
  }
  for (const auto& s : shards_)
    for (const auto& other : shards_) s->core().peer_slots.push_back(other->pool().slot_bytes(0));
  srtp_keys_.profile = dtls::kAeadAes128Gcm;
  srtp_keys_.key_len = 16;
  srtp_keys_.salt_len = 12;
  random_.fill(MutBytes(srtp_keys_.client_key_bytes).first(16));
  random_.fill(MutBytes(srtp_keys_.server_key_bytes).first(16));
}

Client ShardRig::connect(engine::Role role, uint32_t room, uint32_t shard) {
  Client c;
  c.shard = shard;
  c.key = {next_, 1};
  // Few per /24, as admission budgets want it.
  c.at = {Address::v4(load_be<uint32_t>(parts_.clients.b.data() + 12) + next_ * 4),
          static_cast<uint16_t>(10000 + next_ % 50000)};
  c.ssrc = 0x1000 + next_++;
  engine::SessionSpec spec;
  spec.key = c.key;
  spec.role = role;
  spec.room = room;
  spec.room_gen = 1;
  spec.remote_ufrag.assign(kRemoteUfrag);
  spec.remote_pwd.assign(kRemotePwd);
  spec.cname.assign("bench");
  engine::TrackSpec& audio = spec.track[0];
  audio.used = true;
  audio.receive = role != engine::Role::play;
  audio.send = role != engine::Role::publish;
  audio.payloads[audio.payloads_n++] = {kPayloadType, kOpus};
  audio.clock_rate = 48000;
  audio.tx_ssrc = {0x80000000u + next_};
  audio.mid.assign("0");
  audio.ext.set(rtp::ExtKind::mid, 4);
  audio.ext.set(rtp::ExtKind::audio_level, 1);
  ice::UfragFields f;
  f.node = 1;
  f.session_index = c.key.index;
  f.session_gen = c.key.gen;
  f.expiry = static_cast<ice::ExpiryUnit>(ice::expiry_unit(static_cast<uint64_t>(now_.us) / 1'000'000) + 100);
  spec.local_ufrag.assign(ice::text(keys_.keys().routes.mint(f, 0)));
  directory_.publish(spec);
  checked_.push_back({spec.local_ufrag, c.at, shard});
  check(checked_.back());
  hand_keys(spec, shard);
  open_client(c);
  return c;
}

void ShardRig::check(const Checked& c) {
  std::array<uint8_t, 256> buffer;
  stun::Builder b(buffer, stun::Class::request, stun::Method::binding, random_.view().bytes<12>());
  b.username(c.ufrag.view(), kRemoteUfrag);
  b.u32(stun::Attr::priority, 1);
  b.u64(stun::Attr::ice_controlling, 1);
  b.flag(stun::Attr::use_candidate);
  b.integrity(stun::Integrity::sha1, crypto::kPrimitives,
              keys_.keys().password_of(0, c.ufrag.view()).bytes());
  b.fingerprint();
  place(c.shard, c.at, b.message());
  step();
}

bool ShardRig::place(uint32_t shard, const Endpoint& from, Bytes payload) {
  return parts_.deliver ? parts_.deliver(from, payload) : null_[shard]->place(from, parts_.server, payload);
}

void ShardRig::advance(Micros by) {
  now_ += by;
  for (NullBackend* b : null_) b->set_now(now_);
  if (now_ - renewed_ < seconds(10)) return;
  renewed_ = now_;
  for (const Checked& c : checked_) check(c);
}

void ShardRig::hand_keys(const engine::SessionSpec& spec, uint32_t shard) {
  auto m = std::make_unique<slow::FromHandshake>();
  m->type = slow::FromHandshake::Type::connected;
  m->session = spec.key.packed();
  m->keys = srtp_keys_;
  (*links_.from_handshake[shard])->try_push(*m);
  step();
}

void ShardRig::open_client(Client& c) {
  srtp::MasterKey key;
  std::copy_n(srtp_keys_.client_key_bytes.begin(), 16, key.key.begin());
  const size_t bytes = cipher_->context_bytes(key.profile);
  c.context = {static_cast<std::byte*>(::operator new[](bytes, std::align_val_t{64})),
               [](std::byte* p) { ::operator delete[](p, std::align_val_t{64}); }};
  c.out->open(*cipher_, {c.context.get(), bytes}, key);
}

void ShardRig::publish(uint32_t room, const Client& publisher, uint64_t shards_with_players) {
  engine::Command m;
  m.kind = engine::Command::Kind::room;
  m.room = room;
  m.room_gen = 1;
  m.session = publisher.key;
  m.publisher_shard = {static_cast<uint8_t>(publisher.shard)};
  m.shards_with_players = shards_with_players;
  for (const auto& ring : links_.commands) (*ring)->try_push(m);
  step();
}

bool ShardRig::say(Client& c, size_t payload) {
  std::array<uint8_t, kMaxDatagram> buffer{};
  return place(c.shard, c.at, packet(c, payload, buffer));
}

Bytes ShardRig::packet(Client& c, size_t payload, MutBytes buffer) {
  rtp::ElementList elements;
  elements.add_audio_level(1, {true, 30});
  const rtp::Fields fields{.payload_type = kPayloadType,
                           .seq = SeqNo{c.seq++},
                           .timestamp = RtpTime{c.timestamp += 960},
                           .ssrc = {c.ssrc}};
  const size_t header = rtp::write_header(buffer, fields, elements);
  srtp::TxJob job;
  job.out = c.out.get();
  job.dst = buffer.data();
  job.header_len = static_cast<uint16_t>(header);
  job.payload = buffer.data() + header;
  job.payload_len = static_cast<uint16_t>(payload);
  srtp::protect(*cipher_, {&job, 1});
  return Bytes(buffer).first(job.out_len);
}

}  // namespace sluice::bench
