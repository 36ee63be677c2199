// A TURN client of shards that are stepped by hand, with long-term credentials (RFC 8489 §9.2, MD5).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "net/crypto/hmac.h"
#include "net/stun/builder.h"
#include "net/turn/credentials.h"
#include "tests/support/shards.h"

namespace sluice::test {

inline constexpr Address kRelayAddress = Address::v4(203, 0, 113, 1);

struct TurnReply {
  std::vector<uint8_t> bytes;

  stun::View view() const { return stun::View::parse(bytes).value(); }
  /// 0: success; 1: no reply; otherwise the error code.
  int code() const {
    if (bytes.empty()) return 1;
    if (view().cls() == stun::Class::success) return 0;
    return view().error_code() ? view().error_code()->code : 2;
  }
};

class TurnClient {
 public:
  using Attributes = std::function<void(stun::Builder&)>;

  /// `shard`: where the kernel puts its packets.
  TurnClient(Shards& s, const Endpoint& at_, uint32_t shard_ = 0, std::string user_ = "alice")
      : at(at_), shard(shard_), user(std::move(user_)), shards_(&s) {}

  Endpoint at;
  uint32_t shard = 0;
  uint32_t ifindex = 0;  ///< of a stream client: its mark
  std::string user, password = "wonderland";

  /// Without steps; what came back is left with the backends.
  void send(Bytes bytes) {
    if (is_turn_stream(ifindex)) return shards_->place(shard, at, bytes, kServer, ifindex);
    shards_->backend(shard).waiting.push_back({at, {bytes.begin(), bytes.end()}, kServer, ifindex});
  }
  std::vector<uint8_t> request(stun::Method m, const Attributes& more, bool with_login = true) {
    std::vector<uint8_t> out(2048);
    stun::TransactionId tid{};
    store_be<uint32_t>(tid.data(), at.addr.v4_host_order());
    store_be<uint32_t>(&tid[4], at.port);
    store_be<uint32_t>(&tid[8], ++count_);
    stun::Builder b(out, stun::Class::request, m, tid);
    if (more) more(b);
    if (with_login && !nonce_.empty()) {
      b.attribute(stun::Attr::username, as_bytes(user));
      b.attribute(stun::Attr::realm, as_bytes(realm_));
      b.attribute(stun::Attr::nonce, as_bytes(nonce_));
      const auto key =
          turn::long_term_key(crypto::kPrimitives, turn::PasswordAlgorithm::md5, user, realm_, password);
      b.integrity(stun::Integrity::sha1, crypto::kPrimitives, key.bytes());
    }
    out.resize(b.size());
    return out;
  }
  /// Whatever reached the client since the last call, STUN or not.
  std::vector<std::vector<uint8_t>> received() {
    std::vector<std::vector<uint8_t>> out;
    for (uint32_t i = 0; i < shards_->count(); ++i)
      std::erase_if(shards_->backend(i).sent, [&](const Datagram& d) {
        if (d.remote != at || d.local != kServer) return false;
        out.push_back(d.bytes);
        return true;
      });
    return out;
  }
  TurnReply call(stun::Method m, const Attributes& more = {}) {
    TurnReply r = exchange(request(m, more));
    if (r.code() != 401 && r.code() != 438) return r;
    realm_ = as_text(r.view().find(stun::Attr::realm).value());
    nonce_ = as_text(r.view().find(stun::Attr::nonce).value());
    return exchange(request(m, more));
  }
  TurnReply exchange(Bytes bytes) {
    received();
    send(bytes);
    shards_->step(4);
    auto got = received();
    return got.empty() ? TurnReply{} : TurnReply{std::move(got.back())};
  }

  static void udp(stun::Builder& b) { b.u32(stun::Attr::requested_transport, 17U << 24); }
  TurnReply allocate(const Attributes& more = {}) {
    TurnReply r = call(stun::Method::allocate, [&](stun::Builder& b) {
      udp(b);
      if (more) more(b);
    });
    if (r.code() == 0) relay = r.view().xor_address(stun::Attr::xor_relayed_address).value();
    return r;
  }
  TurnReply permit(const Endpoint& peer) {
    return call(stun::Method::create_permission,
                [&](stun::Builder& b) { b.xor_address(stun::Attr::xor_peer_address, peer); });
  }
  TurnReply bind(uint16_t channel, const Endpoint& peer) {
    return call(stun::Method::channel_bind, [&](stun::Builder& b) {
      b.u32(stun::Attr::channel_number, uint32_t{channel} << 16);
      b.xor_address(stun::Attr::xor_peer_address, peer);
    });
  }
  TurnReply refresh(uint32_t lifetime, const Attributes& more = {}) {
    return call(stun::Method::refresh, [&](stun::Builder& b) {
      b.u32(stun::Attr::lifetime, lifetime);
      if (more) more(b);
    });
  }
  void say(uint16_t channel, Bytes payload) {
    std::vector<uint8_t> m(4 + payload.size());
    store_be<uint16_t>(m.data(), channel);
    store_be<uint16_t>(&m[2], static_cast<uint16_t>(payload.size()));
    std::ranges::copy(payload, m.begin() + 4);
    send(m);
  }
  void say(uint16_t channel, std::string_view text) { say(channel, as_bytes(text)); }
  void indicate(const Endpoint& peer, Bytes payload, const Attributes& more = {}) {
    std::vector<uint8_t> out(2048);
    stun::Builder b(out, stun::Class::indication, stun::Method::send, {});
    b.xor_address(stun::Attr::xor_peer_address, peer);
    b.attribute(stun::Attr::data, payload);
    if (more) more(b);
    out.resize(b.size());
    send(out);
  }
  /// Payloads of ChannelData of that channel, padding left out.
  std::vector<std::string> heard(uint16_t channel) {
    std::vector<std::string> out;
    for (const auto& d : received()) {
      if (d.size() < 4 || load_be<uint16_t>(d.data()) != channel) continue;
      out.emplace_back(as_text(Bytes(d).subspan(4, load_be<uint16_t>(&d[2]))));
    }
    return out;
  }

  Endpoint relay;

 private:
  Shards* shards_;
  std::string realm_, nonce_;
  uint32_t count_ = 0;
};

}  // namespace sluice::test
