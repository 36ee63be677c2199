#include "tools/load/trunk_servers.h"

#include "net/crypto/hmac.h"

namespace sluice::load {
namespace {

constexpr size_t kRelays = 4;  ///< one, and those that it was before it restarted
constexpr uint8_t kKeyIds = 2;

Micros micros(Nanos t) { return Micros{t / 1000}; }

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
                                                  .trunk = {}});
    s.trunk = std::make_unique<trunk::Trunk>(trunk::Config{.id = first_id + i},
                                             trunk::Trunk::Memory{.peers = s.peers, .rx = s.rx},
                                             crypto::kPrimitives, s.gmac.view(), out->random_.view());
    for (uint8_t id = 0; id < kKeyIds; ++id) s.trunk->set_key(id, key);
  }
  return out;
}

void TrunkServers::receive(const RxPacket& p, Nanos now, std::vector<RxPacket>& out) {
  Server& s = servers_[p.local.index()];
  const auto got = s.trunk->receive(p.data, p.remote, wire_.endpoint(p.local), micros(now));
  if (!got) return;
  if (got->type == trunk::Type::hello) {
    s.relay = got->peer;
    return welcome(s, p);
  }
  trunk::Frame frame;
  for (trunk::Reader r(got->body); r.next(frame);) {
    s.public_endpoint = frame.local;
    // A view into the datagram, which the wire lets us write to.
    uint8_t* const at = p.data.data() + (frame.payload.data() - p.data.data());
    out.push_back({p.local, frame.client, {at, frame.payload.size()}, p.at});
  }
}

void TrunkServers::welcome(Server& s, const RxPacket& p) {
  std::array<uint8_t, trunk::kControlBytes> answer;
  TxPacket out{p.local, p.remote, answer.data(), 0, 0};
  out.len = static_cast<uint16_t>(s.trunk->write_welcome(s.relay, answer));
  wire_.send({&out, 1});
}

bool TrunkServers::add(const TxPacket& p) {
  const uint32_t index = p.local.index();
  Server& s = servers_[index];
  if (s.relay == trunk::kNoPeer || !s.trunk->can_send(s.relay) || s.public_endpoint.port == 0) return false;
  const trunk::Frame frame{.client = p.remote, .local = s.public_endpoint, .payload = {p.data, p.len}};
  if (!s.writer.open()) {
    s.writer = s.trunk->writer(s.relay);
    s.writer.start(next_slot());
  }
  if (s.writer.add(frame)) return true;
  seal(index, trunk::Writer::More::yes);
  s.writer.start(next_slot());
  return s.writer.add(frame);
}

void TrunkServers::seal(uint32_t server, trunk::Writer::More more) {
  Server& s = servers_[server];
  TxPacket out{Local::of(Local::server, server), (*s.trunk)[s.relay].remote, s.writer.memory().data(), 0, 0};
  out.len = static_cast<uint16_t>(s.trunk->seal(s.relay, s.writer, more));
  ready_.push_back(out);
}

MutBytes TrunkServers::next_slot() {
  return MutBytes(memory_).subspan((used_++ % kDatagrams) * kSlot, trunk::kDefaultMaxSingle);
}

void TrunkServers::flush() {
  for (uint32_t i = 0; i < servers_.size(); ++i) {
    trunk::Writer& w = servers_[i].writer;
    if (w.open() && !w.empty()) seal(i, trunk::Writer::More::no);
    w.end_batch();
  }
  if (!ready_.empty()) wire_.send(ready_);
  ready_.clear();
  used_ = 0;
}

}  // namespace sluice::load
