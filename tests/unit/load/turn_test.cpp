#include <doctest/doctest.h>

#include "net/crypto/hmac.h"
#include "net/stun/builder.h"
#include "tests/unit/load/rig.h"
#include "tools/load/turn_protocol.h"

using namespace sluice;
using namespace sluice::load;

namespace {

const Endpoint kServer{Address::v4(10, 9, 9, 9), 3478};

/// Enough of a TURN server: one client per port, credentials alice:secret, realm r.
struct Server {
  std::string nonce = "first";
  uint16_t refuses = 0;  ///< answers authenticated requests with this error
  uint32_t lifetime = 600;
  int requests = 0, refreshes = 0, binds = 0, releases = 0;
  std::array<uint8_t, 16> key = crypto::md5(as_bytes("alice:r:secret"));

  void operator()(PretendWire& w, const Datagram& d) {
    const Endpoint relayed{kServer.addr, static_cast<uint16_t>(30'000 + d.from_local.index())};
    if (d.from_local.kind() == Local::server) {
      const auto s = static_cast<uint16_t>(d.to.port - 30'000);
      std::vector<uint8_t> framed(4);
      store_be<uint16_t>(framed.data(), static_cast<uint16_t>(0x4000 + s));
      store_be<uint16_t>(framed.data() + 2, static_cast<uint16_t>(d.bytes.size()));
      framed.insert(framed.end(), d.bytes.begin(), d.bytes.end());
      return w.deliver(Local::of(Local::client, s), kServer, framed, w.clock);
    }
    if ((d.bytes[0] & 0xC0) == 0x40) {
      CHECK(load_be<uint16_t>(d.bytes.data() + 2) == d.bytes.size() - 4);
      return w.deliver(Local::of(Local::server, 0), relayed, {d.bytes.begin() + 4, d.bytes.end()}, w.clock);
    }
    const auto v = stun::View::parse(d.bytes);
    REQUIRE(v);
    if (v->cls() == stun::Class::indication) {
      const Bytes data = v->find(stun::Attr::data).value();
      return w.deliver(Local::of(Local::server, 0), relayed, {data.begin(), data.end()}, w.clock);
    }
    w.deliver(d.from_local, kServer, answer(*v, relayed), w.clock);
  }

  std::vector<uint8_t> answer(const stun::View& v, const Endpoint& relayed) {
    ++requests;
    std::vector<uint8_t> out(512);
    const auto method = static_cast<stun::Method>(v.method());
    const auto theirs = v.find(stun::Attr::nonce);
    uint16_t error = refuses;
    if (!theirs) error = 401;
    if (theirs && as_text(*theirs) != nonce) error = 438;
    if (error != 401) CHECK(v.integrity_ok(crypto::kPrimitives, key));
    stun::Builder b(out, error != 0 ? stun::Class::error : stun::Class::success, method, v.transaction_id());
    if (error != 0) {
      b.error_code(error, "No");
      b.attribute(stun::Attr::realm, as_bytes("r"));
      b.attribute(stun::Attr::nonce, as_bytes(nonce));
    } else {
      if (method == stun::Method::allocate) b.xor_address(stun::Attr::xor_relayed_address, relayed);
      if (method != stun::Method::channel_bind) b.u32(stun::Attr::lifetime, lifetime);
      const bool releases_it = v.u32(stun::Attr::lifetime) == 0U;
      refreshes += method == stun::Method::refresh && !releases_it;
      releases += releases_it;
      binds += method == stun::Method::channel_bind || method == stun::Method::create_permission;
      b.integrity(stun::Integrity::sha1, crypto::kPrimitives, key);
    }
    out.resize(b.size());
    return out;
  }
};

Options options() {
  Options o;
  o.mode = Mode::turn;
  o.target = kServer;
  return o;
}

Credentials logged_in() {
  Credentials c;
  c.turn_user = "alice";
  c.turn_password = "secret";
  return c;
}

struct TurnRig {
  explicit TurnRig(uint32_t n, const Options& o = options())
      : rig(n, o, logged_in(),
            [this](PretendWire& w, const Datagram& d) { server(w, d); }) {}
  const SetupFigures& setup() const { return rig.sessions.setup(); }
  Server server;
  Rig<TurnProtocol> rig;
};

}  // namespace

TEST_CASE("Allocate, 401, ChannelBind, then ChannelData both ways") {
  TurnRig t(10);
  t.rig.run(kStart + 2 * kSecond);
  CHECK(t.setup().ready == 10);
  CHECK(t.server.requests == 30);
  CHECK(t.rig.figures().up.delivered == 500);
  CHECK(t.rig.figures().down.delivered == t.rig.figures().down.sent);
  CHECK(t.rig.figures().down.sent >= 490);
  t.rig.generator.close_all();
  CHECK(t.server.releases == 10);
}

TEST_CASE("Send indications instead of a channel") {
  Options o = options();
  o.turn.indications = true;
  o.down = false;
  TurnRig t(3, o);
  t.rig.run(kStart + 2 * kSecond);
  CHECK(t.setup().ready == 3);
  CHECK(t.rig.figures().up.delivered == 150);
}

TEST_CASE("Allocations alone are held by refreshing them, with a new nonce where the server wants one") {
  Options o = options();
  o.turn.allocate_only = true;
  TurnRig t(2, o);
  t.server.lifetime = 10;
  t.rig.generator.set_pace({.target = 2, .setup_rate = 1e6});
  t.rig.run(kStart + 12 * kSecond, 2'000'000);
  CHECK(t.server.refreshes == 4);
  CHECK(t.server.binds == 0);
  t.server.nonce = "second";
  t.rig.run(kStart + 18 * kSecond, 2'000'000);
  CHECK(t.server.refreshes == 6);
  CHECK(t.setup().ready == 2);
}

TEST_CASE("Permissions and channels are renewed before they end") {
  TurnRig t(1);
  t.server.lifetime = 3600;
  t.rig.run(kStart + 500 * kSecond, 10'000'000);
  CHECK(t.server.binds == 3);
}

TEST_CASE("A refusal is a failure with the server's code") {
  TurnRig t(2);
  t.server.refuses = 486;
  t.rig.run(kStart + kSecond);
  CHECK(t.setup().ready == 0);
  CHECK(t.setup().failures.at("Allocate: 486 No") == 2);
}

TEST_CASE("A server that never takes its own nonces is given up") {
  TurnRig t(1);
  t.server.refuses = 438;
  t.rig.run(kStart + kSecond);
  CHECK(t.setup().failed == 1);
  CHECK(t.server.requests <= 5);
}
