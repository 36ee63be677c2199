#include "tools/load/trunk_servers.h"

#include "net/crypto/hmac.h"

namespace sluice::load {
namespace {

/// Associations of one far side: a shard of the relay has one of its own, and those of before it restarted
/// stay until they are forgotten.
constexpr size_t kRelays = 2 * trunk::kMaxPeerShards;
constexpr uint8_t kKeyIds = 2;

Micros micros(Nanos t) { return Micros{t / 1000}; }

/// Makes room for whatever a relay is after it restarted.
void forget_silent(trunk::Trunk& t, Micros now) {
  std::array<uint8_t, trunk::kControlBytes> no_hello;
  while (t.poll(now, no_hello)) {
  }
}

}  // namespace

std::expected<std::unique_ptr<TrunkServers>, std::string> TrunkServers::make(const trunk::Key& key,
                                                                             uint32_t first_id,
                                                                             uint32_t count, Wire& wire) {
  std::unique_ptr<TrunkServers> out(new TrunkServers(wire));
  out->servers_.reserve(count);
  for (uint32_t i = 0; i < count; ++i) {
    auto gmac = crypto::GmacKeys::make(crypto::GmacKeys::Kind::automatic,
                                       trunk::Trunk::gmac_places(kRelays, kRelays));
    if (!gmac) return std::unexpected(gmac.error());
    Server& s = out->servers_.emplace_back(Server{.peers = std::vector<trunk::Peer>(kRelays),
                                                  .rx = std::vector<trunk::Rx>(kRelays),
                                                  .gmac = std::move(*gmac),
                                                  .trunk = {},
                                                  .legs = std::vector<Leg>(kRelays)});
    s.trunk = std::make_unique<trunk::Trunk>(trunk::Config{.id = first_id + i},
                                             trunk::Trunk::Memory{.peers = s.peers, .rx = s.rx},
                                             crypto::kPrimitives, s.gmac.view(), out->random_.view());
    for (uint8_t id = 0; id < kKeyIds; ++id) s.trunk->set_key(id, key);
  }
  return out;
}

void TrunkServers::receive(const RxPacket& p, Nanos now, std::vector<RxPacket>& out) {
  Server& s = servers_[p.local.index()];
  forget_silent(*s.trunk, micros(now));
  const auto got = s.trunk->receive(p.data, p.remote, wire_.endpoint(p.local), micros(now));
  if (!got) return;
  if (got->type == trunk::Type::hello) return welcome(s, got->peer, p);
  trunk::Frame frame;
  for (trunk::Reader r(got->body); r.next(frame);) {
    s.legs[got->peer].public_endpoint = frame.local;
    // A view into the datagram, which the wire lets us write to.
    uint8_t* const at = p.data.data() + (frame.payload.data() - p.data.data());
    out.push_back({.local = p.local,
                   .remote = frame.client,
                   .data = {at, frame.payload.size()},
                   .at = p.at,
                   .relay = got->peer});
  }
}

void TrunkServers::welcome(Server& s, trunk::PeerIndex relay, const RxPacket& p) {
  std::array<uint8_t, trunk::kControlBytes> answer;
  TxPacket out{p.local, p.remote, answer.data(), 0, 0};
  out.len = static_cast<uint16_t>(s.trunk->write_welcome(relay, answer));
  wire_.send({&out, 1});
}

bool TrunkServers::add(const TxPacket& p, trunk::PeerIndex relay) {
  const LegName name{p.local.index(), relay};
  Server& s = servers_[name.server];
  if (relay >= s.legs.size() || !s.trunk->can_send(relay)) return false;
  Leg& leg = s.legs[relay];
  const trunk::Frame frame{.client = p.remote, .local = leg.public_endpoint, .payload = {p.data, p.len}};
  if (leg.writer.open() && leg.writer.add(frame)) return true;
  if (used_ == kDatagrams)
    flush();
  else if (leg.writer.open() && !leg.writer.empty())
    seal(name, trunk::Writer::More::yes);
  if (!leg.writer.open()) start(name);
  return leg.writer.add(frame);
}

void TrunkServers::start(LegName name) {
  Leg& leg = servers_[name.server].legs[name.relay];
  if (!leg.active) {
    leg.active = true;
    leg.writer = servers_[name.server].trunk->writer(name.relay);
    active_.push_back(name);
  }
  leg.writer.start(MutBytes(memory_).subspan(used_++ * kSlot, trunk::kDefaultMaxSingle));
}

void TrunkServers::seal(LegName name, trunk::Writer::More more) {
  Server& s = servers_[name.server];
  Leg& leg = s.legs[name.relay];
  TxPacket out{Local::of(Local::server, name.server), (*s.trunk)[name.relay].remote,
               leg.writer.memory().data(), 0, 0};
  out.len = static_cast<uint16_t>(s.trunk->seal(name.relay, leg.writer, more));
  ready_.push_back(out);
}

void TrunkServers::flush() {
  for (const LegName name : active_) {
    Leg& leg = servers_[name.server].legs[name.relay];
    if (leg.writer.open() && !leg.writer.empty()) seal(name, trunk::Writer::More::no);
    leg.writer.end_batch();
    leg.active = false;
  }
  active_.clear();
  if (!ready_.empty()) wire_.send(ready_);
  ready_.clear();
  used_ = 0;
}

}  // namespace sluice::load
