#include "tests/support/shards.h"

#include <utility>

#include "net/crypto/hmac.h"
#include "net/rtp/header.h"
#include "net/stun/builder.h"
#include "tests/support/require.h"

namespace sluice::test {
namespace {

constexpr std::string_view kRemoteUfrag = "abcd", kRemotePwd = "0123456789012345678901";

ice::ShardKeys make_keys() {
  ice::ShardKeys keys;
  keys.add_route_key(0, std::array<uint8_t, 16>{1, 2, 3});
  keys.add_ice_key(0, ice::IceKey{4, 5, 6});
  return keys;
}

std::unique_ptr<srtp::Cipher> make_cipher(srtp::Kind kind) { return std::move(*srtp::Cipher::make(kind)); }

engine::TrackSpec track(engine::Role role, uint8_t pt, uint8_t codec, uint32_t rate, Ssrc ssrc) {
  engine::TrackSpec t;
  t.used = true;
  t.receive = role != engine::Role::play;
  t.send = role != engine::Role::publish;
  t.nack = t.pli = true;
  t.payloads[t.payloads_n++] = {pt, codec};
  t.clock_rate = rate;
  t.tx_ssrc = ssrc;
  t.ext.set(rtp::ExtKind::audio_level, 1);
  return t;
}

/// Keys that both sides know; the same for every session.
dtls::SrtpKeys shared_keys() {
  dtls::SrtpKeys k;
  k.profile = dtls::kAeadAes128Gcm;
  k.key_len = 16;
  k.salt_len = 12;
  k.client_key_bytes.fill(1);
  k.server_key_bytes.fill(2);
  return k;
}

srtp::MasterKey master(uint8_t byte) {
  srtp::MasterKey key;
  std::fill_n(key.key.begin(), 16, byte);
  return key;
}

}  // namespace

Micros MemoryBackend::receive(RxBatch& rx, Micros until, DropCounters& drops) {
  if (const auto f = until > now ? std::exchange(asleep, {}) : std::function<void()>{}) f();
  for (; received_ < waiting.size() && !rx.full(); ++received_) {
    const Datagram& d = waiting[received_];
    Packet p;
    p.slot = pool_.take();
    if (p.slot == kNoSlot) {
      drops.add(Drop::pool_empty);
      continue;
    }
    std::ranges::copy(d.bytes, pool_.slot_bytes(p.slot) + kHeadroom);
    p.offset = kHeadroom;
    p.len = static_cast<uint16_t>(d.bytes.size());
    p.remote = d.remote;
    p.local = d.local;
    p.ifindex = d.ifindex;
    p.rx_time = now;
    rx.push(p);
  }
  return now;
}

void MemoryBackend::send(TxBatch& tx, DropCounters&) {
  for (const Packet& p : tx) {
    const Bytes b = pool_.payload(p);
    ++sent_count;
    if (keeps) sent.push_back({p.remote, {b.begin(), b.end()}, p.local});
    pool_.drop(p.slot);
  }
  tx.clear();
}

void MemoryBackend::tidy() {
  waiting.erase(waiting.begin(), waiting.begin() + static_cast<std::ptrdiff_t>(received_));
  received_ = 0;
}

Shards::Shards(uint32_t n, const ShardsOptions& options)
    : links_(n, options.sizes),
      random_(options.seed),
      node_(options.node),
      keys_(make_keys()),
      cipher_(make_cipher(options.kind)) {
  const engine::relay::RelayConfig& relay = options.relay;
  const engine::relay::TurnConfig& turn = options.turn;
  engine::ShardLimits limits{.sessions = kSessions, .rooms = 4, .flows = 8 * kSessions, .pool_slots = 2048};
  if (relay.on) {
    limits.relay = {.flows = relay.max_flows, .servers = relay.max_servers};
    relay_ =
        std::make_unique<engine::relay::Control>(relay, n, random_.view(), [this](const engine::Command& c) {
          for (uint32_t s = 0; s < shards_.size(); ++s) tell(s, c);
        });
  }
  if (turn.on) {
    turn_ = std::move(*engine::TurnShared::make(
        turn,
        {.shards = n, .relay_addresses = relay.addresses, .relay_ports = relay.ports, .here = {&kServer, 1}},
        random_.view()));
    limits.turn = turn_->limits();
  }
  if (relay.on || turn.on)
    limits.relay_ports_bytes = engine::relay::LocalPorts::bytes_for(relay.addresses.size(), relay.ports);
  if (options.trunk.on()) {
    constexpr uint32_t kPeers = 32;
    limits.trunk = {.peers = kPeers, .rx = 2 * kPeers, .servers = limits.relay.servers, .shards = n};
    trunk_routes_ = std::make_unique<engine::TrunkRoutes>(n, kPeers);
  }
  for (uint32_t i = 0; i < n; ++i) {
    shards_.push_back(std::make_unique<engine::Shard>(
        ShardId{static_cast<uint8_t>(i)}, n, limits, directory_, links_.ports_of(i), make_keys(),
        make_cipher(options.kind), random_.view(), seconds(1), 0));
    auto backend = std::make_unique<MemoryBackend>(shards_[i]->pool());
    backends_.push_back(backend.get());
    shards_[i]->set_backend(std::move(backend));
    shards_[i]->core().node = node_;
    if (relay.on) shards_[i]->core().start_relay(relay_->shared(), {.media = true, .idle = relay.idle});
    if (turn.on) shards_[i]->core().start_turn(*turn_);
    if (options.trunk.on())
      shards_[i]->core().start_trunk(*trunk_routes_, {.key = *options.trunk.key,
                                                      .server_at = options.trunk.sockets[i].server,
                                                      .relay_at = options.trunk.sockets[i].relay});
  }
  for (const auto& s : shards_)
    for (const auto& other : shards_) s->core().peer_slots.push_back(other->pool().slot_bytes(0));
}

Client Shards::offer(engine::Role role, uint32_t room) {
  Client c;
  c.at = {Address::v4(0x0a000000 + 256 * next_), 5000};
  c.spec.key = {next_, 1};
  c.spec.role = role;
  c.spec.room = role == engine::Role::agent ? UINT32_MAX : room;
  c.spec.room_gen = 1;
  c.spec.remote_ufrag.assign(kRemoteUfrag);
  c.spec.remote_pwd.assign(kRemotePwd);
  c.spec.track[0] = track(role, kOpusPt, kOpus, 48'000, {0x80000000u + next_});
  c.spec.track[1] = track(role, kVp8Pt, kVp8, 90'000, {0x90000000u + next_});
  ice::UfragFields f;
  f.node = node_.node;
  f.session_index = c.spec.key.index;
  f.session_gen = c.spec.key.gen;
  f.expiry = 100;
  c.spec.local_ufrag.assign(ice::text(keys_.keys().routes.mint(f, 0)));
  directory_.publish(c.spec);
  ++next_;
  return c;
}

void Shards::check(const Client& c, uint32_t shard, stun::Attr role) {
  std::array<uint8_t, 256> buffer;
  stun::Builder b(buffer, stun::Class::request, stun::Method::binding, random_.view().bytes<12>());
  b.username(c.spec.local_ufrag.view(), kRemoteUfrag);
  b.u32(stun::Attr::priority, 1);
  b.u64(role, 1);
  b.flag(stun::Attr::use_candidate);
  b.integrity(stun::Integrity::sha1, crypto::kPrimitives,
              keys_.keys().password_of(0, c.spec.local_ufrag.view()).bytes());
  b.fingerprint();
  place(shard, c.at, b.message(), kServer, c.stream);
}

Client Shards::connect(engine::Role role, uint32_t shard, uint32_t room) {
  Client c = offer(role, room);
  check(c, shard);
  step();
  finish(c, shard);
  return c;
}

void Shards::finish(Client& c, uint32_t shard) {
  hand_keys(c, shard);
  step();
  require(core(shard).hot[c.key().index].phase == engine::Phase::connected);
}

void Shards::hand_keys(Client& c, uint32_t shard) {
  auto m = std::make_unique<slow::FromHandshake>();
  m->type = slow::FromHandshake::Type::connected;
  m->session = c.key().packed();
  m->keys = shared_keys();
  require((*links_.from_handshake[shard])->try_push(*m));
  require(c.out->state.open(*cipher_, c.out->context, master(1)));
  require(c.in->state.open(*cipher_, c.in->context, master(2)));
}

void Shards::tell_room(uint32_t room, engine::SessionKey publisher, uint32_t publisher_shard,
                       uint64_t players) {
  engine::Command m;
  m.kind = engine::Command::Kind::room;
  m.room = room;
  m.room_gen = 1;
  m.session = publisher;
  m.publisher_shard = {static_cast<uint8_t>(publisher_shard)};
  m.shards_with_players = players;
  for (uint32_t s = 0; s < shards_.size(); ++s) tell(s, m);
}

void Shards::say(Client& c, uint32_t shard, uint64_t seq, uint8_t pt, std::string_view payload) {
  std::array<uint8_t, kMaxDatagram> buffer{};
  const rtp::Fields fields{.payload_type = pt,
                           .seq = SeqNo{static_cast<uint16_t>(seq)},
                           .timestamp = RtpTime{static_cast<uint32_t>(seq) * 960},
                           .ssrc = {1000 + c.key().index * 256 + pt}};
  const size_t header = rtp::write_header(buffer, fields, {});
  std::ranges::copy(payload, buffer.begin() + static_cast<std::ptrdiff_t>(header));
  require(protect(c, shard, Bytes(buffer).first(header + payload.size()), header, false));
}

bool Shards::protect(Client& c, uint32_t shard, Bytes packet, size_t header, bool rtcp) {
  std::array<uint8_t, kMaxDatagram + srtp::kMaxOverhead> buffer{};
  std::ranges::copy(packet, buffer.begin());
  srtp::TxJob job;
  job.out = &c.out->state;
  job.dst = buffer.data();
  job.header_len = static_cast<uint16_t>(header);
  job.payload = buffer.data() + header;
  job.payload_len = static_cast<uint16_t>(packet.size() - header);
  job.rtcp = rtcp;
  srtp::protect(*cipher_, {&job, 1});
  if (job.result != Drop::none) return false;
  place(shard, c.at, Bytes(buffer).first(std::min<size_t>(job.out_len, kMaxDatagram)), kServer, c.stream);
  return true;
}

void Shards::send_rtcp(Client& c, uint32_t shard, Bytes compound) {
  require(protect(c, shard, compound, 8, true));
}

void Shards::push_stream(uint32_t shard, slow::FromStream::Type type, const Datagram& d) {
  require((*links_.from_streams[shard])->try_emplace([&](slow::FromStream& m) {
    m.type = type;
    m.stream = slow::StreamId(d.ifindex);
    m.remote = d.remote;
    m.local = d.local;
    m.len = static_cast<uint16_t>(d.bytes.size());
    std::ranges::copy(d.bytes, m.data);
  }));
}

void Shards::end_stream(uint32_t shard, const Endpoint& from, uint32_t stream) {
  push_stream(shard, slow::FromStream::Type::closed, {from, {}, kServer, stream});
}

void Shards::take_streams(uint32_t shard) {
  if (links_.to_streams.empty()) return;
  (*links_.to_streams[shard])->for_each(UINT32_MAX, [&](const slow::ToStream& m) {
    const uint32_t stream = m.stream.ifindex();
    if (m.type == slow::ToStream::Type::close) return closed_streams_.push_back(stream);
    backends_[shard]->sent.push_back({streams_.at(stream), {m.data, m.data + m.len}, kServer, stream});
  });
}

void Shards::place(uint32_t shard, const Endpoint& from, Bytes bytes, const Endpoint& to, uint32_t stream) {
  if (stream != 0) {
    streams_[stream] = from;
    return push_stream(shard, slow::FromStream::Type::datagram, {from, {bytes.begin(), bytes.end()}, to, stream});
  }
  backends_[shard]->waiting.push_back({from, {bytes.begin(), bytes.end()}, to});
}

std::vector<std::string> Shards::heard(Client& c) {
  std::vector<std::string> out;
  for (MemoryBackend* b : backends_) {
    for (Datagram& d : b->sent) {
      if (!(d.remote == c.at) || d.bytes.size() < 12 || (d.bytes[0] & 0xc0) != 0x80) continue;
      if (d.bytes[1] >= 192 && d.bytes[1] <= 223) continue;
      srtp::RxJob job;
      job.in = &c.in->state;
      job.data = d.bytes.data();
      job.len = static_cast<uint16_t>(d.bytes.size());
      srtp::unprotect(*cipher_, {&job, 1});
      // A retransmission is refused here as a replay; its bytes are compared by the tests that want them.
      if (job.result != Drop::none) continue;
      const Bytes packet(d.bytes.data(), job.out_len);
      const auto header = rtp::parse_header(packet);
      require(header.has_value());
      out.emplace_back(as_text(*rtp::payload(*header, packet)));
    }
    std::erase_if(b->sent, [&](const Datagram& d) { return d.remote == c.at; });
  }
  return out;
}

void Shards::step(int times) {
  for (int i = 0; i < times; ++i)
    for (const auto& s : shards_) {
      run_(*s);
      require(s->conserves_packets());
      backends_[s->core().id.v]->tidy();
      take_streams(s->core().id.v);
    }
}

void Shards::advance(Micros by) {
  for (MemoryBackend* b : backends_) b->now += by;
}

void Shards::discard_handshakes(uint32_t shard) {
  (*links_.to_handshake[shard])->for_each(UINT32_MAX, [](const slow::ToHandshake&) {});
}

std::vector<engine::Notice> Shards::notices(uint32_t shard) {
  std::vector<engine::Notice> out;
  engine::Notice n;
  while ((*links_.notices[shard])->try_pop(n)) out.push_back(n);
  return out;
}

}  // namespace sluice::test
