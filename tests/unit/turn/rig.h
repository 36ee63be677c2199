// A TURN server with its owner's duties done: flow table, relay ports, time; and clients that follow the RFC.
#pragma once

#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "net/crypto/hmac.h"
#include "net/crypto/random.h"
#include "net/stun/builder.h"
#include "net/turn/server.h"

namespace sluice::test {

using stun::Attr;
using stun::Method;

inline const Address kRelay4 = Address::v4(198, 51, 100, 1);
inline const Address kRelay6 = parse_address("2001:db8:1::1").value();
inline const Endpoint kListen{kRelay4, 3478};
inline constexpr int64_t kUnixTime = 1'800'000'000;

inline Endpoint endpoint(std::string_view text) { return parse_endpoint(text).value(); }
inline turn::ClientKey client_at(std::string_view remote) { return {endpoint(remote), kListen, 2}; }

/// Hands out ports in order and remembers which are open.
class Ports {
 public:
  Ports(const std::vector<Address>& addresses, const turn::Limits& limits)
      : addresses_(addresses), lo_(limits.port_lo), hi_(limits.port_hi) {}

  turn::PortSource source() {
    return {this, [](void* self, auto f, auto w) { return static_cast<Ports*>(self)->take(f, w); },
            [](void* self, const Endpoint& e) { static_cast<Ports*>(self)->give_back(e); }};
  }
  const std::set<Endpoint>& open() const { return open_; }
  uint64_t broken_promises() const { return broken_; }

 private:
  std::optional<Endpoint> take(turn::Family family, turn::PortWish wish) {
    for (const Address& a : addresses_) {
      if (turn::family_of(a) != family) continue;
      uint32_t& next = next_[a];
      const uint32_t count = uint32_t{hi_} - lo_ + 1;
      for (uint32_t tried = 0; tried < count; ++tried) {
        const auto port = static_cast<uint16_t>(lo_ + (next + tried) % count);
        const auto above = static_cast<uint16_t>(port + 1);
        const bool pair = wish == turn::PortWish::even_and_next;
        if (wish != turn::PortWish::any && port % 2 != 0) continue;
        if (open_.contains({a, port}) || (pair && (port == hi_ || open_.contains({a, above})))) continue;
        open_.insert({a, port});
        if (pair) open_.insert({a, above});
        next += tried + 1;
        return Endpoint{a, port};
      }
    }
    return std::nullopt;
  }
  void give_back(const Endpoint& e) { broken_ += open_.erase(e) != 1; }

  std::vector<Address> addresses_;
  uint16_t lo_, hi_;
  std::map<Address, uint32_t> next_;
  std::set<Endpoint> open_;
  uint64_t broken_ = 0;
};

struct Reply {
  std::vector<uint8_t> bytes;
  turn::Result result;
  std::optional<stun::View> view;

  /// 0: success; 1: no reply; otherwise the error code.
  int code() const {
    if (!view) return 1;
    if (view->cls() == stun::Class::success) return 0;
    return view->error_code() ? view->error_code()->code : 2;
  }
};

struct Flow {
  bool operator()(const turn::ClientKey& a, const turn::ClientKey& b) const {
    const uint32_t sa = a.is_stream() ? a.ifindex : 0, sb = b.is_stream() ? b.ifindex : 0;
    return std::tie(a.remote, a.local, sa) < std::tie(b.remote, b.local, sb);
  }
};

struct Rig {
  struct Free {
    void operator()(std::byte* p) const { ::operator delete[](p, std::align_val_t{64}); }
  };

  explicit Rig(const std::function<void(turn::Config&)>& change = {},
               std::vector<Address> relays = {kRelay4, kRelay6})
      : addresses(std::move(relays)) {
    config.limits = {.allocations = 64,
                     .peer_nodes = 32,
                     .peers_per_allocation = 16,
                     .reservations = 4,
                     .admission_lines = 16,
                     .port_lo = 50000,
                     .port_hi = 50099,
                     .relay_addresses = 2};
    config.realm = "example.org";
    config.relay_addresses = addresses;
    config.secrets.nonce = {1, 2};
    config.secrets.names = {3, 4};
    config.secrets.ticket.fill(5);
    config.crypto = crypto::kPrimitives;
    config.random = random.view();
    if (change) change(config);
    ports.emplace(addresses, config.limits);
    const size_t bytes = turn::Server::bytes_for(config.limits);
    memory.reset(static_cast<std::byte*>(::operator new[](bytes, std::align_val_t{64})));
    std::memset(memory.get(), 0, bytes);
    server = std::make_unique<turn::Server>(config, std::span(memory.get(), bytes), now);
    users = {*turn::make_user(config.crypto, "alice", config.realm, "wonderland"),
             *turn::make_user(config.crypto, "bob", config.realm, "builder")};
    turn::sort_users(users);
    set_credentials(true, false);
    server->set_unix_time(now, kUnixTime);
  }

  void set_credentials(bool with_users, bool with_secrets) {
    turn::Credentials c;
    if (with_users) c.users = users;
    if (with_secrets) c.secrets = {as_bytes("new secret"), as_bytes("old secret")};
    server->set_credentials(c);
  }

  uint32_t index_of(const turn::ClientKey& c) const {
    const auto at = flows.find(c);
    return at == flows.end() ? turn::kNoAllocation : at->second;
  }

  Reply request(const turn::ClientKey& from, Bytes message) {
    Reply r;
    const auto view = stun::View::parse(message);
    if (!view) return r;
    r.bytes.resize(turn::kMaxReply);
    r.result = server->on_request(from, index_of(from), *view, now, ports->source(), r.bytes);
    r.bytes.resize(r.result.reply);
    apply(from, r.result);
    if (r.result.reply != 0)
      if (const auto v = stun::View::parse(r.bytes)) r.view = *v;
    return r;
  }

  void apply(const turn::ClientKey& from, const turn::Result& r) {
    if (r.event == turn::Event::closed || r.event == turn::Event::moved) flows.erase(r.previous);
    if (r.event == turn::Event::created || r.event == turn::Event::moved) flows[from] = r.allocation;
  }

  size_t expire() {
    std::array<turn::Closed, 4> out;
    size_t total = 0;
    while (const size_t n = server->expire(now, ports->source(), out)) {
      total += n;
      for (const auto& c : std::span(out).first(n)) flows.erase(c.client);
    }
    return total;
  }

  std::vector<Address> addresses;
  Micros now = seconds(1000);
  crypto::StreamRandom random{uint64_t{7}};
  turn::Config config;
  std::optional<Ports> ports;
  std::unique_ptr<std::byte[], Free> memory;
  std::vector<turn::User> users;
  std::unique_ptr<turn::Server> server;
  std::map<turn::ClientKey, uint32_t, Flow> flows;
};

/// Adds the attributes of a request that come before its credentials.
using Attributes = std::function<void(stun::Builder&)>;

/// A client with long-term credentials: RFC 5389's, or RFC 8489's with what the server negotiates.
class Client {
 public:
  Client(Rig& rig, std::string_view remote, std::string user = "alice", std::string password = "wonderland")
      : key(client_at(remote)), user_name(std::move(user)), password_text(std::move(password)), rig_(&rig) {}

  turn::ClientKey key;
  std::string user_name, password_text, realm, nonce;
  bool modern = false;  ///< RFC 8489
  bool use_userhash = false;
  std::vector<uint8_t> algorithm_list;

  stun::TransactionId next_tid() {
    stun::TransactionId t{};
    store_be<uint64_t>(t.data(), rig_->random.view().u64());
    store_be<uint32_t>(&t[8], ++count_);
    return t;
  }

  std::vector<uint8_t> plain(Method m, const Attributes& more = {}, stun::Class cls = stun::Class::request) {
    std::vector<uint8_t> out(4096);
    stun::Builder b(out, cls, m, next_tid());
    if (more) more(b);
    out.resize(b.size());
    return out;
  }

  turn::AuthKey auth_key() const {
    const auto algorithm = modern ? turn::PasswordAlgorithm::sha256 : turn::PasswordAlgorithm::md5;
    return turn::long_term_key(crypto::kPrimitives, algorithm, user_name, realm, password_text);
  }

  std::vector<uint8_t> signed_message(Method m, const Attributes& more, const stun::TransactionId& tid) {
    std::vector<uint8_t> out(2048);
    stun::Builder b(out, stun::Class::request, m, tid);
    if (more) more(b);
    if (use_userhash)
      b.attribute(Attr::userhash, turn::make_user(crypto::kPrimitives, user_name, realm, "")->userhash);
    else
      b.attribute(Attr::username, as_bytes(user_name));
    b.attribute(Attr::realm, as_bytes(realm));
    b.attribute(Attr::nonce, as_bytes(nonce));
    if (modern) {
      b.attribute(Attr::password_algorithms, algorithm_list);
      b.u32(Attr::password_algorithm, 0x0002'0000);
    }
    b.integrity(modern ? stun::Integrity::sha256 : stun::Integrity::sha1, crypto::kPrimitives,
                auth_key().bytes());
    out.resize(b.size());
    return out;
  }

  /// Takes realm, nonce and algorithms of a 401 or 438.
  void learn(const Reply& r) {
    realm = as_text(r.view->find(Attr::realm).value());
    nonce = as_text(r.view->find(Attr::nonce).value());
    const auto list = r.view->find(Attr::password_algorithms);
    algorithm_list = list ? std::vector<uint8_t>(list->begin(), list->end()) : std::vector<uint8_t>{};
  }

  Reply send(Bytes message) { return rig_->request(key, message); }
  Reply call(Method m, const Attributes& more = {}) { return call(m, more, next_tid()); }
  Reply call(Method m, const Attributes& more, const stun::TransactionId& tid) {
    if (nonce.empty()) {
      const Reply first = send(plain(m, more));
      if (first.code() != 401) return first;
      learn(first);
    }
    Reply r = send(signed_message(m, more, tid));
    if (r.code() != 438) return r;
    learn(r);
    return send(signed_message(m, more, next_tid()));
  }

  static void udp(stun::Builder& b) { b.u32(Attr::requested_transport, 17U << 24); }
  Reply allocate(const Attributes& more = {}) {
    return call(Method::allocate, [&](stun::Builder& b) {
      udp(b);
      if (more) more(b);
    });
  }
  Reply permit(std::string_view peer) {
    return call(Method::create_permission,
                [&](stun::Builder& b) { b.xor_address(Attr::xor_peer_address, endpoint(peer)); });
  }
  Reply bind(uint16_t channel, std::string_view peer) {
    return call(Method::channel_bind, [&](stun::Builder& b) {
      b.u32(Attr::channel_number, uint32_t{channel} << 16);
      b.xor_address(Attr::xor_peer_address, endpoint(peer));
    });
  }
  Reply refresh(uint32_t lifetime, const Attributes& more = {}) {
    return call(Method::refresh, [&](stun::Builder& b) {
      b.u32(Attr::lifetime, lifetime);
      if (more) more(b);
    });
  }

  turn::ToPeer channel_data(uint16_t channel, Bytes payload, size_t padding = 0) {
    std::vector<uint8_t> m(4 + payload.size() + padding);
    store_be<uint16_t>(m.data(), channel);
    store_be<uint16_t>(&m[2], static_cast<uint16_t>(payload.size()));
    std::copy(payload.begin(), payload.end(), m.begin() + 4);
    return rig_->server->from_client(key, rig_->index_of(key), m, rig_->now);
  }
  turn::ToPeer send_indication(std::string_view peer, Bytes payload, const Attributes& more = {}) {
    last_indication = plain(
        Method::send,
        [&](stun::Builder& b) {
          b.xor_address(Attr::xor_peer_address, endpoint(peer));
          b.attribute(Attr::data, payload);
          if (more) more(b);
        },
        stun::Class::indication);
    return rig_->server->on_indication(key, rig_->index_of(key), stun::View::parse(last_indication).value(),
                                       rig_->now);
  }
  std::vector<uint8_t> last_indication;

 private:
  Rig* rig_;
  uint32_t count_ = 0;
};

/// A datagram in a slot: headroom, payload, tailroom.
struct Slot {
  explicit Slot(Bytes payload) : memory(turn::kMaxPrepend + payload.size() + turn::kMaxAppend, 0xee) {
    std::copy(payload.begin(), payload.end(), memory.begin() + turn::kMaxPrepend);
    size = payload.size();
  }
  MutBytes payload() { return MutBytes(memory).subspan(turn::kMaxPrepend, size); }
  Bytes message(const turn::ToClient& to) const {
    return Bytes(memory).subspan(turn::kMaxPrepend - to.before, to.len);
  }
  std::vector<uint8_t> memory;
  size_t size = 0;
};

}  // namespace sluice::test
