// Two whole shards, joined by their rings, and their handshake worker, against batches from clients and
// strangers: nothing may crash, lose a packet slot, or send more than three times what an address that proved
// nothing has sent. Input: items of a byte that says what (low 4 bits: Item; bit 4: the shard that receives)
// and whose (a second byte), and what the item needs. Everything waits for the next `step`.
#include <algorithm>
#include <array>
#include <vector>

#include "net/base/bytes.h"
#include "net/rtp/header.h"
#include "tests/fuzz/input.h"
#include "tests/sim/amplification.h"
#include "tests/support/require.h"
#include "tests/support/shards.h"

using namespace sluice;
using engine::Role;

namespace {

enum class Item : uint8_t {
  raw,        ///< two bytes of length, bytes: from a client's address or a stranger's
  rtp,        ///< two bytes of length, a plaintext RTP packet: under the client's keys
  rtcp,       ///< the same of RTCP
  voice,      ///< a byte: steps of the sequence number; valid Opus
  picture,    ///< the same; valid VP8
  check,      ///< an authentic ICE check from the client's own address
  move,       ///< the same from another address, where the client then is
  feedback,   ///< two bytes of sequence number, two of mask: a NACK of what the client receives
  step,       ///< each shard once
  wait_ms,    ///< a byte
  wait_long,  ///< a byte: units of 250 ms
  again,      ///< the client's last datagram once more; a byte: which bit is flipped, 0 none
  close,      ///< by the control thread
  room,       ///< two bytes: publisher, shards that have players
  room_gone,
  count
};

constexpr uint32_t kRooms = 2, kShards = 2, kStrangers = 3;
constexpr size_t kMostSteps = 64;

const dtls::Context& server() {
  static const dtls::Context* const made = [] {
    auto identity = dtls::Identity::generate(1'700'000'000);
    require(identity.has_value());
    auto context = dtls::Context::make(*identity);
    require(context.has_value());
    return new dtls::Context(std::move(*context));
  }();
  return *made;
}

class Run {
 public:
  explicit Run(Bytes input) : in_{input} {
    join(Role::publish, 0, 0);
    join(Role::play, 0, 0);
    join(Role::play, 1, 0);
    join(Role::publish, 1, 1);
    join(Role::play, 0, 1);
    join(Role::agent, 0, 0);
    clients_.push_back(shards_.offer(Role::agent));  // known to the directory only
    for (uint32_t room = 0; room < kRooms; ++room) shards_.tell_room(room, clients_[3 * room].key(), room, 3);
    settle();
    for (const test::Client& c : clients_) trust(c.at);
    trusted_ = true;
  }

  void run() {
    while (!in_.done() && steps_ < kMostSteps) item();
    settle();
    // What is due after the last item: reports, consent, echo, the end of everybody.
    for (int i = 0; i < 5; ++i) {
      shards_.advance(seconds(10));
      settle();
    }
  }

 private:
  void join(Role role, uint32_t shard, uint32_t room) {
    clients_.push_back(shards_.connect(role, shard, room));
  }

  /// Its handshake, which is skipped here, would have proven the address.
  void trust(const Endpoint& e) {
    const std::array<uint8_t, 4> rtp{0x80};
    account_.received(e, rtp, true);
  }

  void item() {
    const uint8_t what = in_.u8();
    const uint32_t shard = (what >> 4) & 1;
    const uint8_t who = in_.u8();
    test::Client& c = clients_[who % clients_.size()];
    const size_t first = shards_.backend(shard).waiting.size();
    const auto item = static_cast<Item>((what & 15) % static_cast<uint8_t>(Item::count));
    switch (item) {
      case Item::raw:
        shards_.place(shard, address(who), in_.take(in_.u16() % (kMaxDatagram + 1)));
        break;
      case Item::rtp:
      case Item::rtcp:
        protect(c, shard, item == Item::rtcp);
        break;
      case Item::voice:
      case Item::picture:
        talk(who, shard, item == Item::voice ? test::kOpusPt : test::kVp8Pt);
        break;
      case Item::move:
        c.at.port = static_cast<uint16_t>(6000 + in_.u8());
        [[fallthrough]];
      case Item::check:
        shards_.check(c, shard);
        break;
      case Item::feedback:
        ask_again(c, shard);
        break;
      case Item::again:
        repeat(shard);
        break;
      case Item::step:
        step();
        break;
      case Item::wait_ms:
        shards_.advance(millis(who));
        break;
      case Item::wait_long:
        shards_.advance(millis(250 * who));
        break;
      default:
        command(item, c, shard);
    }
    const bool honest = item == Item::rtp || item == Item::rtcp || item == Item::voice ||
                        item == Item::picture || item == Item::feedback;
    const auto& waiting = shards_.backend(shard).waiting;
    for (size_t i = first; i < waiting.size(); ++i)
      account_.received(waiting[i].remote, waiting[i].bytes, honest);
    if (waiting.size() > 2 * kRxBurst) step();
  }

  Endpoint address(uint8_t who) const {
    const size_t i = who % (clients_.size() + kStrangers);
    if (i < clients_.size()) return clients_[i].at;
    return {Address::v4(0xc6336400 + static_cast<uint32_t>(i)), 7000};
  }

  void protect(test::Client& c, uint32_t shard, bool rtcp) {
    const Bytes packet = in_.take(in_.u16() % (kMaxDatagram + 1));
    if (keys_gone(c) || packet.size() < 12) return;
    const auto header = rtp::parse_header(packet);
    if (!rtcp && !header) return;
    shards_.protect(c, shard, packet, rtcp ? 8 : header->header_len, rtcp);
  }

  /// The client that was only offered has none.
  bool keys_gone(const test::Client& c) const { return &c == &clients_.back(); }

  void talk(uint8_t who, uint32_t shard, uint8_t pt) {
    test::Client& c = clients_[who % clients_.size()];
    const uint8_t steps = in_.u8();
    if (keys_gone(c)) return;
    uint64_t& seq = seq_[who % clients_.size()];
    seq = static_cast<uint16_t>(seq + steps);
    std::array<uint8_t, 256> packet;
    const rtp::Fields fields{.payload_type = pt,
                             .seq = SeqNo{static_cast<uint16_t>(seq)},
                             .timestamp = RtpTime{static_cast<uint32_t>(seq) * 960},
                             .ssrc = {1000 + c.key().index * 256 + pt}};
    const size_t header = rtp::write_header(packet, fields, {});
    packet.back() = 1;
    shards_.protect(c, shard, packet, header, false);
  }

  void ask_again(test::Client& c, uint32_t shard) {
    const uint16_t seq = in_.u16(), mask = in_.u16();
    if (keys_gone(c)) return;
    std::array<uint8_t, 16> nack{0x81, 205, 0, 3};
    const uint32_t ssrc = c.spec.track[seq & 1].tx_ssrc.v;
    for (size_t i = 0; i < 4; ++i) nack[8 + i] = static_cast<uint8_t>(ssrc >> (24 - 8 * i));
    nack[12] = static_cast<uint8_t>(seq >> 8), nack[13] = static_cast<uint8_t>(seq);
    nack[14] = static_cast<uint8_t>(mask >> 8), nack[15] = static_cast<uint8_t>(mask);
    shards_.protect(c, shard, nack, 8, true);
  }

  void repeat(uint32_t shard) {
    const uint8_t flip = in_.u8();
    auto& waiting = shards_.backend(shard).waiting;
    if (waiting.empty() || waiting.back().bytes.empty()) return;
    test::Datagram d = waiting.back();
    if (flip != 0) d.bytes[flip % d.bytes.size()] ^= static_cast<uint8_t>(1 << (flip & 7));
    waiting.push_back(d);
  }

  void command(Item item, const test::Client& c, uint32_t shard) {
    engine::Command m;
    m.session = c.key();
    m.room = c.key().index % kRooms;
    m.room_gen = 1;
    switch (item) {
      case Item::close:
        m.kind = engine::Command::Kind::close;
        m.reason = engine::CloseReason::hangup;
        for (uint32_t s = 0; s < kShards; ++s) shards_.tell(s, m);
        m.kind = engine::Command::Kind::forget;
        break;
      case Item::room:
        m.kind = engine::Command::Kind::room;
        m.publisher_shard = {static_cast<uint8_t>(in_.u8() % kShards)};
        m.shards_with_players = in_.u8() % 4;
        break;
      default:
        m.kind = engine::Command::Kind::room_closed;
    }
    shards_.tell(shard, m);
  }

  void step() {
    ++steps_;
    shards_.step();  // holds the shards to the conservation of packets
    for (uint32_t s = 0; s < kShards; ++s) {
      for (const test::Datagram& d : shards_.backend(s).sent)
        require(!trusted_ || account_.sent(d.remote, d.bytes.size()));
      shards_.backend(s).sent.clear();
      shards_.notices(s);
    }
    worker_.step(shards_.backend(0).now);
  }

  slow::HandshakePort port(uint32_t shard) {
    const engine::ShardPorts& p = shards_.core(shard).ports;
    return {p.to_handshake, p.from_handshake, {}};
  }

  void settle() {
    for (int i = 0; i < 4; ++i) step();
  }

  fuzz::Reader in_;
  test::Shards shards_{kShards};
  const std::array<slow::HandshakePort, kShards> ports_{port(0), port(1)};
  slow::HandshakeWorker worker_{server(), ports_};
  sim::Amplification account_;
  bool trusted_ = false;
  std::vector<test::Client> clients_;
  std::array<uint64_t, 8> seq_{};
  size_t steps_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Run({data, size}).run();
  return 0;
}
