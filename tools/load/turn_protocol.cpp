#include "tools/load/turn_protocol.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "net/crypto/hmac.h"
#include "net/stun/builder.h"

namespace sluice::load {
namespace {

constexpr uint32_t kUdp = 17U << 24;      // REQUESTED-TRANSPORT: protocol and three reserved bytes
constexpr Nanos kRebind = 240 * kSecond;  // a permission lives for 300 s (RFC 8656 §9)
constexpr uint8_t kMaxStale = 3;
constexpr uint16_t kUnauthorized = 401, kStaleNonce = 438;

bool is_channel(Bytes b) { return b.size() >= 4 && (b[0] & 0xF0) == 0x40; }

}  // namespace

void TurnProtocol::open(uint32_t s, Nanos now) { begin(s, Step::allocate, now); }

void TurnProtocol::begin(uint32_t s, Step step, Nanos now) {
  allocations_[s].step = step;
  allocations_[s].request.begin();
  transmit(s, now);
}

void TurnProtocol::transmit(uint32_t s, Nanos now) {
  TxPacket& p = bench_.control.open(client(s), bench_.options.target);
  p.len = static_cast<uint16_t>(write_request(s, {p.data, kMaxPayload}, bench_.options.turn.lifetime));
  bench_.control.commit();
  bench_.sessions.set_timer(s, now + allocations_[s].request.transmit());
}

size_t TurnProtocol::write_request(uint32_t s, MutBytes out, uint32_t lifetime) const {
  const Allocation& a = allocations_[s];
  const TurnOptions& o = bench_.options.turn;
  const stun::Method bind = o.indications ? stun::Method::create_permission : stun::Method::channel_bind;
  const stun::Method method = a.step == Step::allocate  ? stun::Method::allocate
                              : a.step == Step::refresh ? stun::Method::refresh
                                                        : bind;
  stun::Builder b(out, stun::Class::request, method, a.request.id(bench_.run, s));
  if (a.step == Step::bind) {
    if (!o.indications) b.u32(stun::Attr::channel_number, uint32_t{channel(s)} << 16);
    b.xor_address(stun::Attr::xor_peer_address, bench_.wire.endpoint(peer(s)));
  } else {
    if (a.step == Step::allocate) b.u32(stun::Attr::requested_transport, kUdp);
    b.u32(stun::Attr::lifetime, lifetime);
  }
  if (!a.nonce.empty()) {
    b.attribute(stun::Attr::username, as_bytes(bench_.credentials.turn_user));
    b.attribute(stun::Attr::realm, as_bytes(realm_));
    b.attribute(stun::Attr::nonce, as_bytes(a.nonce));
    b.integrity(stun::Integrity::sha1, crypto::kPrimitives, key_);
  }
  return b.size();
}

void TurnProtocol::on_timer(uint32_t s, Nanos now) {
  Allocation& a = allocations_[s];
  if (a.request.pending()) {
    if (a.request.exhausted()) return bench_.sessions.fail(s, "no answer from the TURN server");
    bench_.sessions.retransmitted();
    return transmit(s, now);
  }
  if (now >= a.refresh_at) return begin(s, Step::refresh, now);
  if (now >= a.bind_at) return begin(s, Step::bind, now);
  bench_.sessions.set_timer(s, std::min(a.refresh_at, a.bind_at));
}

void TurnProtocol::on_control(RxPacket& p, Nanos now) {
  const auto view = stun::View::parse(p.data);
  if (!view) return;
  const auto name = name_of(view->transaction_id(), bench_.run);
  if (!name || name->session != p.local.index()) return;
  Allocation& a = allocations_[name->session];
  if (!a.request.pending() || name->serial != a.request.serial) return;
  if (view->cls() == stun::Class::error) {
    a.request.end();
    on_error(name->session, *view, now);
  } else if (view->cls() == stun::Class::success && view->integrity_ok(crypto::kPrimitives, key_)) {
    a.request.end();
    a.stale = 0;
    on_success(name->session, *view, now);
  }
}

void TurnProtocol::on_success(uint32_t s, const stun::View& answer, Nanos now) {
  Allocation& a = allocations_[s];
  if (a.step != Step::bind) {
    const uint32_t granted = answer.u32(stun::Attr::lifetime).value_or(bench_.options.turn.lifetime);
    a.refresh_at = now + std::max<Nanos>(kSecond, Nanos{granted} * kSecond / 2);
  }
  switch (a.step) {
    case Step::allocate: {
      const auto relayed = answer.xor_address(stun::Attr::xor_relayed_address);
      if (!relayed) return bench_.sessions.fail(s, "Allocate succeeded without XOR-RELAYED-ADDRESS");
      a.relayed = *relayed;
      return bench_.options.turn.allocate_only ? up(s, now) : begin(s, Step::bind, now);
    }
    case Step::bind:
      a.bind_at = now + kRebind;
      return up(s, now);
    case Step::refresh:
      return bench_.sessions.set_timer(s, std::min(a.refresh_at, a.bind_at));
  }
}

void TurnProtocol::up(uint32_t s, Nanos now) {
  Session& session = bench_.sessions[s];
  session.far = peer(s);
  session.up_to = bench_.options.target;
  session.down_to = allocations_[s].relayed;
  bench_.sessions.ready(s, now);
  bench_.sessions.set_timer(s, std::min(allocations_[s].refresh_at, allocations_[s].bind_at));
}

/// RFC 8656 §7.4, RFC 8489 §9.2.5.
void TurnProtocol::on_error(uint32_t s, const stun::View& answer, Nanos now) {
  Allocation& a = allocations_[s];
  const auto error = answer.error_code().value_or(stun::ErrorCode{});
  const auto nonce = answer.find(stun::Attr::nonce);
  const auto realm = answer.find(stun::Attr::realm);
  const bool first = error.code == kUnauthorized && a.nonce.empty();
  if ((first || error.code == kStaleNonce) && nonce && ++a.stale <= kMaxStale) {
    a.nonce = as_text(*nonce);
    if (realm) set_key(as_text(*realm));
    return begin(s, a.step, now);
  }
  constexpr std::array<std::string_view, 3> kNames{"Allocate", "ChannelBind or CreatePermission", "Refresh"};
  bench_.sessions.fail(
      s, fmt::format("{}: {} {}", kNames[static_cast<size_t>(a.step)], error.code, error.reason));
}

void TurnProtocol::set_key(std::string_view realm) {
  if (realm == realm_) return;
  realm_ = realm;
  const Credentials& c = bench_.credentials;
  key_ = crypto::md5(as_bytes(fmt::format("{}:{}:{}", c.turn_user, realm_, c.turn_password)));
}

/// The server may forget the allocation; nobody waits for its answer.
void TurnProtocol::close(uint32_t s) {
  Allocation& a = allocations_[s];
  a.step = Step::refresh;
  a.request.begin();
  TxPacket& p = bench_.control.open(client(s), bench_.options.target);
  p.len = static_cast<uint16_t>(write_request(s, {p.data, kMaxPayload}, 0));
  bench_.control.commit();
}

size_t TurnProtocol::seal(std::span<TxPacket> packets) {
  for (TxPacket& p : packets) {
    if (p.local.kind() != Local::client) continue;
    if (!bench_.options.turn.indications) {
      p.data -= 4;
      store_be<uint16_t>(p.data, channel(p.session));
      store_be<uint16_t>(p.data + 2, p.len);
      p.len = static_cast<uint16_t>(p.len + 4);
      continue;
    }
    std::array<uint8_t, kMaxPayload> space;
    stun::TransactionId id{};
    store_be<uint32_t>(id.data(), bench_.run);
    stun::Builder b(space, stun::Class::indication, stun::Method::send, id);
    b.xor_address(stun::Attr::xor_peer_address, bench_.wire.endpoint(peer(p.session)));
    b.attribute(stun::Attr::data, {p.data, p.len});
    p.data -= kHeadroom;
    p.len = static_cast<uint16_t>(b.size());
    std::memcpy(p.data, space.data(), p.len);
  }
  return packets.size();
}

void TurnProtocol::unwrap(std::span<RxPacket> packets, Nanos now) {
  for (RxPacket& p : packets) {
    if (p.local.kind() == Local::server) {
      if (is_rtp(p.data)) p.media = p.data;
      continue;
    }
    if (is_channel(p.data)) {
      const size_t len = load_be<uint16_t>(p.data.data() + 2);
      if (len + 4 > p.data.size() || load_be<uint16_t>(p.data.data()) != channel(p.local.index())) continue;
      if (const Bytes media = Bytes(p.data).subspan(4, len); is_rtp(media)) p.media = media;
      continue;
    }
    const auto view = stun::View::parse(p.data);
    if (view && view->cls() == stun::Class::indication) {
      const auto data = view->find(stun::Attr::data);
      if (data && is_rtp(*data)) p.media = *data;
    } else {
      on_control(p, now);
    }
  }
}

}  // namespace sluice::load
