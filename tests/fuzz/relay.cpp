// Two whole shards that relay by transparent legs, serve TURN and end sessions, against batches from clients,
// strangers, servers and peers, while the control thread moves servers and changes routes: nothing may crash,
// lose a packet slot, leak a flow or a port, or send more than three times what an address that proved
// nothing has sent. Input: items of a byte that says what (low 4 bits: Item; bit 4: the shard that receives)
// and whose (a second byte), and what the item needs. Everything waits for the next `step`.
#include "engine/role/relay.h"

#include <array>
#include <vector>

#include "tests/fuzz/input.h"
#include "tests/sim/amplification.h"
#include "tests/support/require.h"
#include "tests/support/turn_client.h"

using namespace sluice;

namespace {

enum class Item : uint8_t {
  raw,        ///< two bytes of length, bytes: from a client to the public endpoint
  raw_down,   ///< the same from a server or peer to the relay endpoint that was named last
  check,      ///< a byte: which ufrag, a byte: transaction
  answer,     ///< a byte: bit 0 an error, bit 1 another transaction: the server's to what was relayed last
  media,      ///< a byte: length
  move,       ///< a byte: the client's port from now on
  server,     ///< two bytes: which server, where it is now (0: gone)
  routes,     ///< a byte: bit 0 remove, the others which
  allocate,   ///< a TURN client's authentic request; a byte: how
  permit,     ///< a byte: which peer
  channel,    ///< a byte: which peer
  say,        ///< a byte: bits 0-5 length, bit 6 by indication, bit 7 from the peer
  refresh,    ///< a byte: lifetime in seconds
  step,       ///< each shard once
  wait_ms,    ///< the second byte: units of 64 ms
  wait_long,  ///< the second byte: seconds
};

constexpr uint32_t kShards = 2, kClients = 5;
constexpr size_t kMostSteps = 96;
constexpr Endpoint kServers[] = {{Address::v4(198, 51, 100, 7), 7000},
                                 {Address::v4(198, 51, 100, 8), 7000},
                                 {Address::v4(198, 51, 100, 9), 9}};
constexpr Endpoint kPeers[] = {{Address::v4(198, 51, 100, 77), 5000}, {Address::v4(198, 51, 100, 7), 7000}};

engine::relay::RelayConfig relay_config() {
  engine::relay::RelayConfig c;
  c.on = true;
  c.addresses = {test::kRelayAddress};
  c.ports = {50'010, 50'400};
  c.max_flows = 24;
  c.max_routes = 4;
  c.max_servers = 6;
  c.idle = seconds(20);
  return c;
}

engine::relay::TurnConfig turn_config() {
  engine::relay::TurnConfig c;
  c.on = true;
  c.users = {{"alice", "wonderland"}};
  c.max_allocations = 8;
  return c;
}

class Run {
 public:
  explicit Run(Bytes input) : in_{input} {
    for (uint8_t i = 0; i < kClients; ++i) {
      const Endpoint at{Address::v4(10, 1, i, 1), 5000};
      clients_.emplace_back(shards_, at, i % kShards);
    }
    put_server(0, 0);
    put_server(1, 1);
    put_routes(0);
    step();
  }

  void run() {
    while (!in_.done() && steps_ < kMostSteps) item();
    // What lives longest is an allocation of an hour.
    for (int i = 0; i < 4; ++i) step();
    for (uint32_t n = 0; n < kClients; ++n) clients_[n].at.port = 1;
    shards_.advance(seconds(3700));
    for (int i = 0; i < 200; ++i) {
      shards_.advance(millis(64));
      step();
    }
    for (uint32_t s = 0; s < kShards; ++s) {
      const engine::Core& c = shards_.core(s);
      require(c.relay.flows == 0 && c.relay.unconfirmed == 0 && c.relay.ports.open() == 0);
    }
  }

 private:
  void item() {
    const uint8_t what = in_.u8();
    const uint32_t shard = (what >> 4) & 1;
    const uint8_t who = in_.u8();
    test::TurnClient& c = clients_[who % kClients];
    c.shard = shard;
    switch (static_cast<Item>(what & 15)) {
      case Item::raw:
        return from_client(c, in_.take(in_.u16() % (kMaxDatagram + 1)));
      case Item::raw_down:
        return shards_.place(shard, kServers[who % 3], in_.take(in_.u16() % (kMaxDatagram + 1)), last_relay_);
      case Item::check:
        return check(c);
      case Item::answer:
        return answer(shard);
      case Item::media: {
        const std::array<uint8_t, 256> rtp{0x80, 111};
        return from_client(c, Bytes(rtp).first(in_.u8()));
      }
      case Item::move:
        c.at.port = static_cast<uint16_t>(6000 + in_.u8());
        return;
      case Item::server:
        return put_server(in_.u8() % 3, in_.u8() % 4);
      case Item::routes:
        return put_routes(in_.u8());
      case Item::step:
        return step();
      case Item::wait_ms:
        return shards_.advance(millis(64 * who));
      case Item::wait_long:
        return shards_.advance(seconds(who));
      default:
        turn(static_cast<Item>(what & 15), c);
    }
  }

  void from_client(test::TurnClient& c, Bytes bytes) {
    account_.received(c.at, bytes, false);
    c.send(bytes);
  }

  void check(test::TurnClient& c) {
    const uint8_t which = in_.u8(), tid_byte = in_.u8();
    constexpr std::string_view kTexts[] = {"abcd", "abXY", "ab", "zzzz"};
    std::string ufrag(kTexts[which % 4]);
    if (which >= 128) {
      ice::UfragFields f;
      f.node = static_cast<uint16_t>(which % 4 == 0 ? 1 : 6 + which % 4);
      f.expiry = which % 16 == 15 ? 0 : 100;
      ufrag = ice::text(shards_.keys().routes.mint(f, 0));
    }
    std::array<uint8_t, 512> buffer;
    stun::TransactionId tid{};
    tid.back() = tid_byte;
    stun::Builder b(buffer, stun::Class::request, stun::Method::binding, tid);
    b.username(ufrag, "abcd");
    b.integrity(stun::Integrity::sha1, crypto::kPrimitives, as_bytes("whatever"));
    b.fingerprint();
    from_client(c, b.message());
  }

  void answer(uint32_t shard) {
    const uint8_t how = in_.u8();
    std::array<uint8_t, 512> buffer;
    stun::TransactionId tid = last_tid_;
    if ((how & 2) != 0) tid.front() ^= 1;
    const auto cls = (how & 1) != 0 ? stun::Class::error : stun::Class::success;
    stun::Builder b(buffer, cls, stun::Method::binding, tid);
    b.fingerprint();
    shards_.place((how & 4) != 0 ? 1 - shard : last_shard_, last_server_, b.message(), last_relay_);
  }

  void put_server(uint8_t which, uint8_t where) {
    const engine::relay::ServerId id{0, static_cast<uint16_t>(7 + which)};
    // Refusals are answers too.
    if (where == 3)
      static_cast<void>(shards_.relay().remove_server(id));
    else
      static_cast<void>(shards_.relay().put_server({.id = id, .address = kServers[where], .trunk = false}));
  }

  void put_routes(uint8_t how) {
    const std::vector<engine::relay::RouteRequest> all{
        {.ufrag = "abcd", .prefix = false, .server = kServers[0], .ttl_s = 60},
        {.ufrag = "ab", .prefix = true, .server = kServers[1], .ttl_s = 600},
        {.ufrag = "zz", .prefix = true, .server = kServers[2], .ttl_s = 5}};
    const std::span<const engine::relay::RouteRequest> some(&all[(how >> 1) % all.size()],
                                                            how == 0 ? all.size() : 1);
    const auto now = static_cast<uint64_t>(shards_.backend(0).now.us / 1'000'000);
    if ((how & 1) != 0)
      shards_.relay().remove_routes(some);
    else
      static_cast<void>(shards_.relay().put_routes(some, now));
    shards_.relay().poll(shards_.backend(0).now, now);
  }

  void turn(Item item, test::TurnClient& c) {
    const uint8_t arg = in_.u8();
    const Endpoint& peer = kPeers[arg & 1];
    const auto channel = static_cast<uint16_t>(0x4000 + (arg & 1));
    switch (item) {
      case Item::allocate:
        // Its replies are taken before they are counted: what it may be sent is tests/sim's to check.
        c.allocate([&](stun::Builder& b) {
          if ((arg & 1) != 0) b.u32(stun::Attr::lifetime, arg);
        });
        last_relay_ = c.relay;
        break;
      case Item::permit:
        c.permit(peer);
        break;
      case Item::channel:
        c.bind(channel, peer);
        break;
      case Item::refresh:
        c.refresh(arg);
        break;
      case Item::say: {
        const std::array<uint8_t, 64> payload{0x80};
        const Bytes some = Bytes(payload).first(arg & 63);
        if ((arg & 128) != 0)
          shards_.place(c.shard, peer, some, c.relay);
        else if ((arg & 64) != 0)
          c.indicate(peer, some);
        else
          c.say(channel, some);
        account_.prove(c.at);
        break;
      }
      default:
        break;
    }
    account_.prove(c.at);
    ++steps_;
    look();
  }

  /// What left, and what it teaches a server.
  void look() {
    for (uint32_t s = 0; s < kShards; ++s) {
      for (const test::Datagram& d : shards_.backend(s).sent) {
        const auto view = stun::View::parse(d.bytes);
        if (d.local != test::kServer) {
          last_relay_ = d.local, last_server_ = d.remote, last_shard_ = s;
          if (view) last_tid_ = view->transaction_id();
          continue;
        }
        require(account_.sent(d.remote, d.bytes.size()));
        if (view && view->is_binding(stun::Class::success)) account_.prove(d.remote);
      }
      shards_.backend(s).sent.clear();
      shards_.notices(s);
      shards_.discard_handshakes(s);
    }
  }

  void step() {
    ++steps_;
    shards_.step();  // holds the shards to the conservation of packets
    look();
    for (uint32_t s = 0; s < kShards; ++s) {
      const engine::Core& c = shards_.core(s);
      uint32_t flows = 0, unconfirmed = 0;
      for (const engine::relay::ServerLine& line : c.relay.servers)
        flows += line.n.flows, unconfirmed += line.n.unconfirmed;
      require(flows == c.relay.flows && unconfirmed == c.relay.unconfirmed && unconfirmed <= flows);
    }
  }

  fuzz::Reader in_;
  test::Shards shards_{kShards, {.relay = relay_config(), .turn = turn_config()}};
  std::vector<test::TurnClient> clients_;
  sim::Amplification account_;
  Endpoint last_relay_{test::kRelayAddress, 50'048};
  Endpoint last_server_ = kServers[0];
  stun::TransactionId last_tid_{};
  uint32_t last_shard_ = 0;
  size_t steps_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Run({data, size}).run();
  return 0;
}
