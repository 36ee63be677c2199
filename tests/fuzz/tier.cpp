// A relay and a media tier of two shards each, joined by a trunk, between clients and somebody who has the
// trunk's key: he is another relay to the media tier, another server to the relay, and seals whatever bytes
// he likes. Nothing may crash or lose a packet slot; his frames reach no other server's client; to who proved
// nothing goes at most three times what it sent; and when he stops, trunk and calls are up again. Input:
// items of a byte that says what (low 4 bits: Item; bit 4: a shard) and whose (a second byte), and what it
// needs.
#include <array>
#include <vector>

#include "tests/fuzz/input.h"
#include "tests/sim/amplification.h"
#include "tests/support/trunk_forger.h"
#include "tests/support/trunk_pair.h"

using namespace sluice;

namespace {

enum class Item : uint8_t {
  up_raw,      ///< two bytes of length, bytes: to the media tier's trunk port
  down_raw,    ///< the same to the relay's
  up_body,     ///< two bytes of length, bytes: sealed by the other relay
  down_body,   ///< the same by the other server
  up_frame,    ///< a byte: client, a byte: where it was sent to, a byte: payload
  down_frame,  ///< the same to the relay
  hello,       ///< a byte: how (Lie), and a Status if it has it: of the other relay
  welcome,     ///< the same of the other server
  check,       ///< a client's, by the relay
  say,         ///< a byte: steps of the sequence number
  lose,        ///< a byte: which of the next eight datagrams between relay and media tier
  again,       ///< two bytes: one that was seen before, which bit is flipped; 0 none
  change,      ///< a byte: who restarts, or which server is gone, elsewhere or back
  step,
  wait_ms,    ///< the second byte
  wait_long,  ///< the second byte: units of 50 ms
};

/// What a forged hello or welcome has other than it should.
enum Lie : uint8_t {
  own_status = 1,
  other_life = 2,
  other_name = 4,
  other_shard = 8,
  no_echo = 16,
  other_key = 32
};

using Pair = test::TrunkPair;
constexpr uint32_t kShards = 2, kCalls = 3, kOthers = 2, kRestarts = 4;
constexpr size_t kMostSteps = 96, kMostSeen = 64;
/// In the RTP that he makes up.
constexpr uint32_t kHis = 0x5a5a5a5a;
constexpr uint32_t kRelayName = 1, kBadRelayName = 99, kBadServerName = 8;
constexpr Endpoint kBadRelay{Address::v4(203, 0, 113, 66), 5000},
    kBadServer{Address::v4(198, 51, 100, 8), 3479};

trunk::Key trunk_key() {
  trunk::Key k;
  k.fill(1);
  return k;
}

class Run {
 public:
  explicit Run(Bytes input) : in_{input} {
    p_.tap = [this](bool up, const test::Datagram& d) { return overhear(up, d); };
    put_bad_server();
    for (uint32_t i = 0; i < kOthers; ++i)
      others_.push_back({Address::v4(10, 9, static_cast<uint8_t>(i), 1), 5000});
    p_.run(3);
    offer();
  }

  void run() {
    while (!in_.done() && steps_ < kMostSteps) item();
    lost_ = 0;
    step();
    recover();
    end();
  }

 private:
  void offer() {
    clients_.clear();
    for (uint32_t i = 0; i < kCalls; ++i) clients_.push_back(p_.media->offer(engine::Role::agent));
  }

  void put_bad_server() {
    const engine::relay::ServerId id = engine::relay::id_on_trunk(kBadServerName);
    require(p_.relay->relay().put_server({.id = id, .address = kBadServer, .trunk = true}).has_value());
  }

  // ---- the trunk as its enemy sees it
  // ----------------------------------------------------------------------

  /// False: the datagram goes no further.
  bool overhear(bool up, const test::Datagram& d) {
    const auto h = trunk::parse_header(d.bytes);
    require(h.has_value());
    const Bytes body =
        Bytes(d.bytes).subspan(trunk::kHeaderBytes, d.bytes.size() - trunk::kHeaderBytes - trunk::kTagBytes);
    if (up && d.remote == kBadServer) return on_hello(*h), false;
    if (!up && d.remote == kBadRelay) return on_welcome(*h, body), false;
    if (seen_.size() < kMostSeen) seen_.push_back({up, d});
    const bool lost = (lost_ & 1) != 0;
    lost_ >>= 1;
    return !lost;
  }
  void on_hello(const trunk::Header& h) {
    if (h.type != trunk::Type::hello) return;
    trunk::Association& a = down_[h.shard % kShards];
    a.relay = h.sender, a.server = kBadServerName;
    a.relay_epoch = h.epoch, a.relay_shard = h.shard;
    if (a.server_epoch == 0) a.server_epoch = 77;
    echo_[h.shard % kShards] = h.sequence;
    if (answers_) welcome(h.shard % kShards, 0);
  }
  void on_welcome(const trunk::Header& h, Bytes body) {
    const auto s = trunk::parse_status(body);
    if (h.type != trunk::Type::welcome || !s || h.epoch != up_.relay_epoch) return;
    up_.server = h.sender, up_.server_epoch = s->server_epoch, up_.server_shard = h.shard;
  }

  trunk::Status status(uint8_t lies, uint64_t epoch, uint64_t echo) {
    return {.draining = (lies & other_name) != 0,
            .server_epoch = epoch,
            .echo = (lies & no_echo) != 0 ? 0 : echo};
  }
  std::vector<uint8_t> control(uint8_t lies, trunk::Purpose why, const trunk::Association& a,
                               const trunk::Header& h, const trunk::Status& s) {
    if ((lies & own_status) == 0) return forger_.sealed(why, a, h, s);
    std::array<uint8_t, trunk::kStatusBytes> body{};
    std::ranges::copy(in_.take(body.size()), body.begin());
    return forger_.sealed(why, a, h, Bytes(body));
  }

  void hello(uint32_t shard, uint8_t lies) {
    if ((lies & other_life) != 0) up_ = {.relay_epoch = up_.relay_epoch + 0x10000};
    up_.relay = (lies & other_name) != 0 ? kRelayName : kBadRelayName;
    up_.relay_shard = (lies & other_shard) != 0 ? 63 : 0;
    const trunk::Header h{.type = trunk::Type::hello,
                          .key_id = static_cast<uint8_t>((lies & other_key) != 0 ? 3 : 0),
                          .shard = up_.relay_shard,
                          .sender = up_.relay,
                          .epoch = up_.relay_epoch,
                          .sequence = ++sequence_};
    const trunk::Association unknown{
        .relay = up_.relay, .relay_epoch = up_.relay_epoch, .relay_shard = up_.relay_shard};
    const auto s = status(lies, up_.server_epoch, 0);
    p_.media->place(shard, kBadRelay, control(lies, trunk::Purpose::hello, unknown, h, s), Pair::kMediaTrunk);
  }

  void welcome(uint32_t shard, uint8_t lies) {
    trunk::Association& a = down_[shard];
    if (a.relay_epoch == 0) return;
    if ((lies & other_life) != 0) ++a.server_epoch;
    a.server_shard = (lies & other_shard) != 0 ? 63 : 0;
    const trunk::Header h{
        .type = trunk::Type::welcome,
        .key_id = static_cast<uint8_t>((lies & other_key) != 0 ? 3 : 0),
        .shard = a.server_shard,
        .sender = (lies & other_name) != 0 ? engine::relay::name_on_trunk(Pair::kMediaId) : a.server,
        .epoch = a.relay_epoch,
        .sequence = ++sequence_};
    const auto s = status(lies, a.server_epoch, echo_[shard]);
    down(shard, control(lies, trunk::Purpose::to_relay, a, h, s));
  }

  void down(uint32_t shard, Bytes datagram) {
    p_.relay->place(shard, kBadServer, datagram, Pair::relay_trunk(shard));
  }

  void seal_up(uint32_t shard, Bytes body) {
    const trunk::Header h{.type = trunk::Type::to_server,
                          .shard = up_.relay_shard,
                          .sender = up_.relay,
                          .epoch = up_.server_epoch,
                          .sequence = ++sequence_};
    p_.media->place(shard, kBadRelay, forger_.sealed(trunk::Purpose::to_server, up_, h, body),
                    Pair::kMediaTrunk);
  }
  void seal_down(uint32_t shard, Bytes body) {
    const trunk::Association& a = down_[shard];
    const trunk::Header h{.type = trunk::Type::to_relay,
                          .shard = a.server_shard,
                          .sender = a.server,
                          .epoch = a.relay_epoch,
                          .sequence = ++sequence_};
    down(shard, forger_.sealed(trunk::Purpose::to_relay, a, h, body));
  }

  // ---- frames
  // ----------------------------------------------------------------------------------------------

  Endpoint client(uint8_t who) const {
    const size_t n = clients_.size() + others_.size();
    if (who % 16 == 15) return Pair::relay_trunk(who / 16 % kShards);
    const size_t i = who % n;
    return i < clients_.size() ? clients_[i].at : others_[i - clients_.size()];
  }
  static Endpoint local(uint8_t which) {
    switch (which % 4) {
      case 0:
      case 1:
        return test::kServer;
      case 2:
        return Pair::kMediaTrunk;
      default:
        return Pair::relay_trunk(0);
    }
  }

  /// A client's check for its session, or one that leads to the other server.
  std::vector<uint8_t> check_of(uint8_t who) {
    const size_t i = who % (clients_.size() + others_.size());
    if (i < clients_.size()) return made([&] { p_.media->check(clients_[i], 0); });
    ice::UfragFields f;
    f.node = kBadServerName;
    f.expiry = 100;
    std::vector<uint8_t> bytes(256);
    stun::TransactionId tid{};
    store_be<uint32_t>(&tid[4], ++tids_);
    stun::Builder b(bytes, stun::Class::request, stun::Method::binding, tid);
    b.username(ice::text(p_.relay->keys().routes.mint(f, 0)), "abcd");
    b.integrity(stun::Integrity::sha1, crypto::kPrimitives, as_bytes("whatever"));
    b.fingerprint();
    bytes.resize(b.size());
    last_tid_ = tid;
    return bytes;
  }
  std::vector<uint8_t> answer() const {
    std::vector<uint8_t> bytes(64);
    stun::Builder b(bytes, stun::Class::success, stun::Method::binding, last_tid_);
    b.fingerprint();
    bytes.resize(b.size());
    return bytes;
  }
  std::vector<uint8_t> payload(uint8_t who, uint8_t kind) {
    switch (kind % 4) {
      case 0:
        return check_of(who);
      case 1:
        return answer();
      case 2: {
        const Bytes b = in_.take(in_.u8());
        return {b.begin(), b.end()};
      }
      default: {
        std::vector<uint8_t> rtp(12 + kind / 4 * 16, kHis & 0xff);
        rtp[0] = 0x80, rtp[1] = 111;
        return rtp;
      }
    }
  }
  std::vector<uint8_t> frame() {
    const uint8_t who = in_.u8(), to = in_.u8(), kind = in_.u8();
    const auto bytes = payload(who, kind);
    const trunk::Frame f{.client = client(who), .local = local(to), .flow = who % 2u, .payload = bytes};
    std::vector<uint8_t> out(kMaxDatagram);
    trunk::Writer w;
    w.start(out);
    require(w.add(f));
    out.resize(w.size() - trunk::kTagBytes);
    out.erase(out.begin(), out.begin() + trunk::kHeaderBytes);
    return out;
  }

  /// What a client has said; nothing if SRTP refuses.
  template <class F>
  std::vector<uint8_t> made(F&& f) {
    auto& waiting = p_.media->backend(0).waiting;
    const size_t before = waiting.size();
    f();
    if (waiting.size() == before) return {};
    std::vector<uint8_t> bytes = std::move(waiting.back().bytes);
    waiting.pop_back();
    return bytes;
  }

  // ---- items
  // -----------------------------------------------------------------------------------------------

  void item() {
    const uint8_t what = in_.u8();
    const uint32_t shard = (what >> 4) & 1;
    const uint8_t who = in_.u8();
    switch (static_cast<Item>(what & 15)) {
      case Item::up_raw:
        p_.media->place(shard, who % 2 == 0 ? kBadRelay : Pair::relay_trunk(0), some(), Pair::kMediaTrunk);
        break;
      case Item::down_raw:
        p_.relay->place(shard, who % 2 == 0 ? kBadServer : Pair::kMediaTrunk, some(),
                        Pair::relay_trunk(shard));
        break;
      case Item::up_body:
        seal_up(shard, some());
        break;
      case Item::down_body:
        seal_down(shard, some());
        break;
      case Item::up_frame:
        seal_up(shard, frame());
        break;
      case Item::down_frame:
        seal_down(shard, frame());
        break;
      case Item::hello:
        hello(shard, in_.u8());
        break;
      case Item::welcome:
        answers_ = who % 4 != 3;
        welcome(shard, in_.u8());
        break;
      default:
        other_item(static_cast<Item>(what & 15), shard, who);
    }
    const bool full = p_.media->backend(0).waiting.size() + p_.relay->backend(0).waiting.size() > kRxBurst;
    if (full) step();
  }

  void other_item(Item item, uint32_t shard, uint8_t who) {
    switch (item) {
      case Item::check:
        return from_client(shard, client(who), check_of(who));
      case Item::say:
        return say(shard, clients_[who % clients_.size()], in_.u8());
      case Item::lose:
        lost_ = in_.u8();
        return;
      case Item::again:
        return again(shard, who, in_.u8());
      case Item::change:
        return change(who);
      case Item::wait_ms:
        return wait(millis(who));
      case Item::wait_long:
        return wait(millis(50 * who));
      default:
        step();
    }
  }

  Bytes some() {
    return in_.take(in_.u16() % (trunk::kDefaultMaxSingle - trunk::kHeaderBytes - trunk::kTagBytes));
  }

  void from_client(uint32_t shard, const Endpoint& at, Bytes bytes) {
    account_.received(at, bytes, true);
    p_.relay->place(shard, at, bytes);
  }

  void say(uint32_t shard, test::Client& c, uint8_t steps) {
    const uint32_t owner = p_.owner(c);
    if (owner == UINT32_MAX) return;
    if (p_.media->core(owner).hot[c.key().index].phase != engine::Phase::connected) {
      p_.media->hand_keys(c, owner);
      return step();
    }
    seq_ = static_cast<uint16_t>(seq_ + steps);
    from_client(shard, c.at, made([&] { p_.media->say(c, 0, seq_); }));
  }

  void again(uint32_t shard, uint8_t which, uint8_t flip) {
    if (seen_.empty()) return;
    auto [up, d] = seen_[which % seen_.size()];
    if (flip != 0) d.bytes[flip % d.bytes.size()] ^= static_cast<uint8_t>(1 << (flip & 7));
    if (up)
      p_.media->place(shard, flip % 2 == 0 ? d.local : kBadRelay, d.bytes, Pair::kMediaTrunk);
    else
      p_.relay->place(shard, flip % 2 == 0 ? Pair::kMediaTrunk : kBadServer, d.bytes,
                      Pair::relay_trunk(shard));
  }

  void change(uint8_t what) {
    using engine::relay::ServerConfig;
    auto& relay = p_.relay->relay();
    const auto media = [](const Endpoint& at) { return ServerConfig{Pair::kMediaId, at, true}; };
    switch (what % 6) {
      case 0:
        if (++restarts_ > kRestarts) return;
        p_.restart_relay();
        return put_bad_server();
      case 1:
        if (++restarts_ > kRestarts) return;
        p_.restart_media();
        return offer();
      case 2:
        static_cast<void>(relay.remove_server(Pair::kMediaId));
        break;
      case 3:
        static_cast<void>(relay.put_server(media({Pair::kMediaTrunk.addr, 9})));
        break;
      default:
        static_cast<void>(relay.put_server(media(Pair::kMediaTrunk)));
    }
    step();
  }

  // ---- time
  // ------------------------------------------------------------------------------------------------

  void wait(Micros by) {
    p_.relay->advance(by);
    p_.media->advance(by);
    step();
  }

  void step() {
    ++steps_;
    p_.step();  // holds the shards to the conservation of packets
    for (uint32_t s = 0; s < kShards; ++s) {
      look_at_relay(s);
      // Nobody speaks with it but by trunk.
      for (const test::Datagram& d : p_.media->backend(s).sent) require(d.local == Pair::kMediaTrunk);
      p_.media->backend(s).sent.clear();
      p_.media->core(s).flows.for_each(
          [](const FlowKey& key, const engine::FlowValue&) { require(key.local != Pair::kMediaTrunk); });
      for (test::Shards* side : {p_.relay.get(), p_.media.get()})
        side->notices(s), side->discard_handshakes(s);
    }
  }

  static bool is_his(Bytes b) { return b.size() >= 16 && load_be<uint32_t>(&b[12]) == kHis; }
  void look_at_relay(uint32_t s) {
    engine::Core& c = p_.relay->core(s);
    for (const test::Datagram& d : p_.relay->backend(s).sent) {
      // To a server that has moved meanwhile.
      if (d.local == Pair::relay_trunk(s)) continue;
      const engine::FlowValue* f = c.flows.find({d.remote, d.local});
      const bool relayed = f != nullptr && f->is(engine::FlowKind::relay);
      if (relayed && is_his(d.bytes)) require(c.relay.servers[f->relay.server].address == kBadServer);
      require(account_.sent(d.remote, d.bytes.size()));
      const auto view = stun::View::parse(d.bytes);
      if (view && view->is_binding(stun::Class::success)) account_.prove(d.remote);
      require(account_.proven(d.remote) || view.has_value());
    }
    p_.relay->backend(s).sent.clear();
    uint32_t flows = 0, unconfirmed = 0;
    for (const engine::relay::ServerLine& line : c.relay.servers)
      flows += line.n.flows, unconfirmed += line.n.unconfirmed;
    require(flows == c.relay.flows && unconfirmed == c.relay.unconfirmed && unconfirmed <= flows);
  }

  /// Whatever has happened: once he is silent, the trunk is up and a call goes through it.
  void recover() {
    change(4);
    answers_ = false;
    wait(seconds(11));  // a relay that is silent is forgotten after ten
    for (int i = 0; i < 20; ++i) wait(millis(20));
    for (uint32_t s = 0; s < kShards; ++s) engine::relay::publish_counters(p_.relay->core(s));
    for (const auto& server : p_.relay->relay().servers())
      require(server.config.id != Pair::kMediaId || server.up);
    test::Client c = p_.media->offer(engine::Role::agent);
    c.at = {Address::v4(10, 200, 0, 1), 5000};
    from_client(0, c.at, made([&] { p_.media->check(c, 0); }));
    for (int i = 0; i < 3; ++i) step();
    require(account_.proven(c.at));
    const uint32_t owner = p_.owner(c);
    require(owner != UINT32_MAX);
    p_.media->hand_keys(c, owner);
    step();
    from_client(0, c.at, made([&] { p_.media->say(c, 0, 1, test::kOpusPt, "still here"); }));
    p_.step();
    require(p_.heard(c) == std::vector<std::string>{"still here"});
  }

  void end() {
    wait(seconds(70));
    for (int i = 0; i < 200; ++i) wait(millis(64));
    for (uint32_t s = 0; s < kShards; ++s) {
      const engine::Core& r = p_.relay->core(s);
      require(r.relay.flows == 0 && r.relay.unconfirmed == 0);
      require(r.pool.in_flight() == 0);
      require(p_.media->core(s).live_sessions == 0);
    }
  }

  struct Seen {
    bool up;
    test::Datagram datagram;
  };
  fuzz::Reader in_;
  Pair p_{{.relay_shards = kShards, .media_shards = kShards}};
  test::TrunkForger forger_{trunk_key()};
  std::vector<test::Client> clients_;
  std::vector<Endpoint> others_;
  std::vector<Seen> seen_;
  sim::Amplification account_;
  trunk::Association up_{.relay_epoch = 1};
  std::array<trunk::Association, kShards> down_{};
  std::array<uint64_t, kShards> echo_{};
  stun::TransactionId last_tid_{};
  uint64_t sequence_ = 0;
  uint32_t tids_ = 0, restarts_ = 0;
  uint16_t seq_ = 0;
  uint8_t lost_ = 0;
  bool answers_ = true;
  size_t steps_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Run({data, size}).run();
  return 0;
}
