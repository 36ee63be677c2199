#include "tools/load/relay_protocol.h"

#include <charconv>

#include <fmt/format.h>

#include "net/crypto/hmac.h"
#include "tools/load/checks.h"

namespace sluice::load {
namespace {

constexpr Nanos kConsentLost = 30 * kSecond;  // RFC 7675 §5.1

/// The client's ufrag names its session.
std::string client_ufrag(uint32_t s) { return fmt::format("{:08x}", s); }

std::optional<uint32_t> session_of(std::string_view ufrag) {
  uint32_t s = 0;
  const auto [end, error] = std::from_chars(ufrag.data(), ufrag.data() + ufrag.size(), s, 16);
  if (error != std::errc{} || end != ufrag.data() + ufrag.size()) return std::nullopt;
  return s;
}

}  // namespace

RelayProtocol::RelayProtocol(const Bench& bench) : Protocol(bench), clients_(bench.sessions.capacity()) {
  const Credentials& c = bench.credentials;
  if (!c.trunk_key) return;
  auto made = TrunkServers::make(*c.trunk_key, c.trunk_id, bench.options.servers, bench.wire);
  if (made) trunk_ = std::move(*made);
}

/// What goes to clients by trunk leaves in other packets.
size_t RelayProtocol::seal(std::span<TxPacket> packets) {
  if (!trunk_) return packets.size();
  size_t left = 0;
  for (const TxPacket& p : packets)
    if (p.local.kind() != Local::server)
      packets[left++] = p;
    else
      trunk_->add(p, clients_[p.session].relay);
  trunk_->flush();
  return left;
}

void RelayProtocol::unwrap(std::span<RxPacket> packets, Nanos now) {
  unpacked_.clear();
  if (!trunk_) return Protocol::unwrap(packets, now);
  for (RxPacket& p : packets)
    if (p.local.kind() == Local::server)
      trunk_->receive(p, now, unpacked_);
    else
      Protocol::unwrap({&p, 1}, now);
  Protocol::unwrap(unpacked_, now);
  trunk_->flush();
}

void RelayProtocol::open(uint32_t s, Nanos now) {
  bench_.sessions[s].up_to = bench_.options.target;
  clients_[s].check.begin();
  send_check(s, now);
}

void RelayProtocol::send_check(uint32_t s, Nanos now) {
  TxPacket& p = bench_.control.open(client(s), bench_.options.target);
  const std::string ours = client_ufrag(s);
  p.len = write_check({p.data, kMaxPayload}, clients_[s].check.id(bench_.run, s),
                      {login(s).ufrag, ours, login(s).password}, uint64_t{bench_.run} << 32 | s);
  bench_.control.commit();
  bench_.sessions.set_timer(s, now + clients_[s].check.transmit());
}

void RelayProtocol::on_timer(uint32_t s, Nanos now) {
  Client& c = clients_[s];
  if (bench_.sessions[s].state == State::ready) {
    if (now - c.answered >= kConsentLost) return bench_.sessions.fail(s, "consent lost: no answer for 30 s");
    if (!c.check.pending()) c.check.begin();
    return send_check(s, now);
  }
  if (c.check.exhausted()) return bench_.sessions.fail(s, "no answer to its checks");
  bench_.sessions.retransmitted();
  send_check(s, now);
}

void RelayProtocol::on_control(RxPacket& p, Nanos now) {
  const auto view = stun::View::parse(p.data);
  if (!view) return;
  if (p.local.kind() == Local::server && view->is_binding(stun::Class::request)) on_check(*view, p);
  if (p.local.kind() == Local::client && view->is_binding(stun::Class::success)) on_answer(*view, p, now);
}

/// As the media server: RFC 8445 §7.3.
void RelayProtocol::on_check(const stun::View& check, const RxPacket& p) {
  const auto username = check.username();
  if (!username) return;
  const size_t colon = username->find(':');
  if (colon == std::string_view::npos) return;
  const auto s = session_of(username->substr(colon + 1));
  if (!s || *s >= bench_.sessions.capacity() || username->substr(0, colon) != login(*s).ufrag) return;
  const Bytes password = as_bytes(login(*s).password);
  if (!check.integrity_ok(crypto::kPrimitives, password)) return;
  clients_[*s].relay = p.relay;
  Session& session = bench_.sessions[*s];
  session.far = p.local;
  session.down_to = p.remote;
  TxPacket& out = bench_.control.open(p.local, p.remote);
  out.len = write_check_answer({out.data, kMaxPayload}, check, p.remote, login(*s).password);
  if (trunk_)
    trunk_->add(out, p.relay);
  else
    bench_.control.commit();
}

/// As the media tier: authentic media is as good as a check.
void RelayProtocol::on_media(uint32_t s, Way way, const RxPacket& p) {
  if (way == Way::up && p.local.v == bench_.sessions[s].far.v) clients_[s].relay = p.relay;
}

void RelayProtocol::on_answer(const stun::View& answer, const RxPacket& p, Nanos now) {
  const auto name = name_of(answer.transaction_id(), bench_.run);
  if (!name || name->session != p.local.index() || p.remote != bench_.options.target) return;
  const uint32_t s = name->session;
  Client& c = clients_[s];
  if (!c.check.pending() || name->serial != c.check.serial) return;
  if (!answer.integrity_ok(crypto::kPrimitives, as_bytes(login(s).password))) return;
  c.check.end();
  c.answered = now;
  bench_.sessions.ready(s, p.at);
  bench_.sessions.set_timer(s, now + bench_.options.relay.consent);
}

}  // namespace sluice::load
