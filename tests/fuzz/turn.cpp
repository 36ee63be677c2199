// A TURN server under a script of what arrives: raw datagrams, requests whose credentials are right and whose
// attributes are not, peers' datagrams, and time.
#include <cstdlib>

#include "tests/unit/turn/rig.h"

using namespace sluice;
using namespace sluice::test;

namespace {

void require(bool promise) {
  if (!promise) std::abort();
}

constexpr uint32_t kClients = 4;

class Script {
 public:
  Script() {
    const auto ask = [&](uint32_t i) {
      const std::string remote = i % 2 == 0 ? "203.0.113.5:" : "[2001:db8:9::9]:";
      clients_.emplace_back(rig_, remote + std::to_string(4000 + i));
      Client& c = clients_.back();
      c.modern = i == 2;
      if (i == 3) c.key.ifindex = turn::kStreamClient | 1;
      c.learn(c.send(c.plain(Method::allocate, Client::udp)));
    };
    for (uint32_t i = 0; i < kClients; ++i) ask(i);
  }

  /// One step: what, who, length, bytes.
  void step(uint8_t what, Client& c, Bytes bytes) {
    switch (what % 4) {
      case 0:
        return raw(c, bytes);
      case 1:
        return authentic(c, bytes);
      case 2:
        return from_peer(bytes);
      default:
        rig_.now += seconds(bytes.empty() ? 1 : bytes[0] * 8);
        rig_.expire();
    }
  }

  void run(Bytes input) {
    Reader r(input);
    for (int n = 0; n < 64 && r.left() >= 3; ++n) {
      const uint8_t what = r.u8(), who = r.u8(), length = r.u8();
      step(what, clients_[who % kClients], r.take(std::min<size_t>(length, r.left())));
      require(rig_.server->counters().allocations == rig_.flows.size());
      require(rig_.server->next_deadline() == kNever || rig_.server->counters().allocations != 0 ||
              rig_.server->counters().reservations != 0);
    }
    rig_.server->close_all(rig_.ports->source());
    require(rig_.ports->open().empty() && rig_.ports->broken_promises() == 0);
  }

 private:
  void raw(Client& c, Bytes bytes) {
    if (!bytes.empty() && bytes[0] >= 0x40) {
      const auto to = rig_.server->from_client(c.key, rig_.index_of(c.key), bytes, rig_.now);
      require(to.drop != Drop::none || size_t{to.offset} + to.len <= bytes.size());
      return;
    }
    const auto view = stun::View::parse(bytes);
    if (!view) return;
    (void)turn::Server::shard_of(*view);
    if (view->cls() == stun::Class::indication) {
      const auto to = rig_.server->on_indication(c.key, rig_.index_of(c.key), *view, rig_.now);
      require(to.drop != Drop::none || size_t{to.offset} + to.len <= bytes.size());
      return;
    }
    const Reply r = c.send(bytes);
    require(c.key.is_stream() || r.bytes.size() <= 3 * bytes.size());
    answered(r);
  }

  // Method, then attributes as they are; behind them what authenticates.
  void authentic(Client& c, Bytes bytes) {
    if (bytes.empty() || (bytes.size() - 1) % 4 != 0) return;
    const Bytes attributes = bytes.subspan(1);
    std::vector<uint8_t> out(2048);
    stun::Builder b(out, stun::Class::request, static_cast<Method>(bytes[0] % 16), c.next_tid());
    const size_t head = b.size();
    if (attributes.size() >= 4) {
      b.attribute(Attr::software, attributes.subspan(4));
      std::copy(attributes.begin(), attributes.end(), out.begin() + static_cast<ptrdiff_t>(head));
    }
    b.attribute(Attr::username, as_bytes(c.user_name));
    b.attribute(Attr::realm, as_bytes(c.realm));
    b.attribute(Attr::nonce, as_bytes(c.nonce));
    if (c.modern) {
      b.attribute(Attr::password_algorithms, c.algorithm_list);
      b.u32(Attr::password_algorithm, 0x0002'0000);
    }
    b.integrity(c.modern ? stun::Integrity::sha256 : stun::Integrity::sha1, crypto::kPrimitives,
                c.auth_key().bytes());
    if (!stun::View::parse(b.message())) return;
    const Reply r = c.send(b.message());
    if (r.code() == 438 || r.code() == 401) c.learn(r);
    answered(r);
  }

  void from_peer(Bytes bytes) {
    if (bytes.size() < 4) return;
    const bool v6 = bytes[0] % 2 != 0;
    const Endpoint relay{v6 ? kRelay6 : kRelay4, static_cast<uint16_t>(50000 + bytes[1] % 8)};
    const Address address = v6 ? parse_address("2001:db8:9::1").value() : Address::v4(203, 0, 113, bytes[2]);
    Slot slot(bytes.subspan(4));
    const std::vector<uint8_t> before(slot.payload().begin(), slot.payload().end());
    const auto to = rig_.server->from_peer(relay, {address, static_cast<uint16_t>(7000 + bytes[3])},
                                           slot.payload(), rig_.now);
    require(std::equal(before.begin(), before.end(), slot.payload().begin()));
    if (to.drop != Drop::none) return;
    require(to.before <= turn::kMaxPrepend && to.len >= to.before + before.size());
    require(size_t{to.len} - to.before - before.size() <= turn::kMaxAppend);
    require(to.before == 4 || stun::View::parse(slot.message(to)).has_value());
  }

  void answered(const Reply& r) {
    require(r.result.drop == Drop::none || r.result.reply == 0);
    require(r.result.drop != Drop::none || (r.view && r.code() != 1 && r.code() != 2));
  }

  Rig rig_;
  std::vector<Client> clients_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Script().run({data, size});
  return 0;
}
