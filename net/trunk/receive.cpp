// What arrives: hellos, welcomes and frames.
#include "net/trunk/trunk.h"

namespace sluice::trunk {
namespace {

Bytes body_of(Bytes datagram) {
  return datagram.subspan(kHeaderBytes, datagram.size() - kHeaderBytes - kTagBytes);
}

constexpr auto refuse(Drop d) { return std::unexpected(d); }

}  // namespace

Trunk::Result Trunk::receive(Bytes datagram, const Endpoint& from, const Endpoint& local, Micros now) {
  const auto header = parse_header(datagram);
  if (!header) return refuse(header.error());
  switch (header->type) {
    case Type::hello:
      return on_hello(*header, datagram, from, local, now);
    case Type::welcome:
      return on_welcome(*header, datagram, now);
    case Type::to_server:
      return on_frames_up(*header, datagram, from, local, now);
    case Type::to_relay:
      return on_frames_down(*header, datagram, now);
  }
  return refuse(Drop::trunk_malformed);
}

Trunk::Result Trunk::on_hello(const Header& h, Bytes datagram, const Endpoint& from, const Endpoint& local,
                              Micros now) {
  const auto status = parse_status(body_of(datagram));
  if (!status) return refuse(status.error());
  if (!has_key(h.key_id)) return refuse(Drop::trunk_auth);
  PeerIndex i = find_relay(h, *status);
  if (i != kNoPeer && h.sequence <= peers_[i].hello_sequence) return refuse(Drop::trunk_replayed);
  const Association unknown{.relay = h.sender, .relay_epoch = h.epoch, .relay_shard = h.shard};
  if (!authentic(sub_key(h.key_id, Purpose::hello, unknown), h, datagram)) return refuse(Drop::trunk_auth);

  if (i == kNoPeer) i = welcome_relay(h);
  if (i == kNoPeer) return refuse(Drop::trunk_full);
  Peer& p = peers_[i];
  p.hello_sequence = h.sequence;
  p.silent_at = now + config_.forget_after;
  wake_at(p.silent_at);
  if (p.state == State::down) {
    p.remote = from;
    p.local = local;
  }
  return Received{.peer = i, .type = h.type, .change = learn(p, *status), .body = {}};
}

/// The relay that a hello claims to be from.
PeerIndex Trunk::find_relay(const Header& h, const Status& status) const {
  const auto is_it = [&](const Peer& p) {
    return p.role == Role::relay && p.association.relay_epoch == h.epoch && p.association.relay == h.sender &&
           p.association.relay_shard == h.shard && p.key_id == h.key_id;
  };
  const auto hint = static_cast<PeerIndex>(status.server_epoch);
  if (hint < peers_.size() && is_it(peers_[hint])) return hint;
  for (size_t i = 0; i < peers_.size(); ++i)
    if (is_it(peers_[i])) return static_cast<PeerIndex>(i);
  return kNoPeer;
}

/// A new association with the sender of an authentic hello.
PeerIndex Trunk::welcome_relay(const Header& h) {
  const PeerIndex i = free_peer();
  if (i == kNoPeer) return i;
  const Association a{.relay = h.sender,
                      .server = config_.id,
                      .relay_epoch = h.epoch,
                      .server_epoch = draw_epoch(i),
                      .relay_shard = h.shard,
                      .server_shard = config_.shard};
  Peer& p = peers_[i];
  p = {.role = Role::relay, .key_id = h.key_id, .association = a};
  if (!add_rx(p, h.shard, sub_key(h.key_id, Purpose::to_server, a))) {
    p = {};
    return kNoPeer;
  }
  const SubKey down = sub_key(h.key_id, Purpose::to_relay, a);
  gmac_.set_key(tx_place(i), down.key.data());
  p.tx_salt = down.salt;
  return i;
}

size_t Trunk::write_welcome(PeerIndex peer, MutBytes out) {
  Peer& p = peers_[peer];
  const Seal seal{.header = {.type = Type::welcome,
                             .key_id = p.key_id,
                             .shard = config_.shard,
                             .sender = config_.id,
                             .epoch = p.association.relay_epoch,
                             .sequence = p.tx_sequence++},
                  .gmac = gmac_,
                  .place = tx_place(peer),
                  .salt = p.tx_salt};
  return write_control(p, p.hello_sequence, seal, out);
}

Trunk::Result Trunk::on_welcome(const Header& h, Bytes datagram, Micros now) {
  const auto status = parse_status(body_of(datagram));
  if (!status || status->server_epoch == 0) return refuse(Drop::trunk_malformed);
  const PeerIndex i = server_of(h);
  if (i == kNoPeer) return refuse(Drop::trunk_stale);
  Peer& p = peers_[i];
  Association a = p.association;
  const bool same =
      a.server == h.sender && a.server_epoch == status->server_epoch && a.server_shard == h.shard;
  if (same) {
    if (const Drop d = accept(p, h, datagram); d != Drop::none) return refuse(d);
    if (p.hellos.sent_at(status->echo) == kNever) return refuse(Drop::trunk_replayed);
    return Received{.peer = i, .type = h.type, .change = answered(p, *status, now), .body = {}};
  }

  if (p.hellos.sent_at(status->echo) == kNever) return refuse(Drop::trunk_replayed);
  a.server = h.sender;
  a.server_epoch = status->server_epoch;
  a.server_shard = h.shard;
  const SubKey down = sub_key(h.key_id, Purpose::to_relay, a);
  if (!authentic(down, h, datagram)) return refuse(Drop::trunk_auth);
  if (h.sender != p.association.server) {
    p.named = h.sender;
    return refuse(Drop::trunk_auth);
  }
  if (p.association.server_epoch != 0) {
    begin_epoch(i);
    p.next_hello = now;
    wake_at(now);
    return Received{.peer = i, .type = h.type, .change = Change::restarted, .body = {}};
  }
  if (!establish(i, a, down)) return refuse(Drop::trunk_full);
  if (const Drop d = accept(p, h, datagram); d != Drop::none) return refuse(d);
  return Received{.peer = i, .type = h.type, .change = answered(p, *status, now), .body = {}};
}

/// The server that a datagram claims to be from, by the epoch that was drawn for it here.
PeerIndex Trunk::server_of(const Header& h) const {
  const auto i = static_cast<PeerIndex>(h.epoch);
  if (i >= peers_.size()) return kNoPeer;
  const Peer& p = peers_[i];
  const bool is_it = p.role == Role::server && p.association.relay_epoch == h.epoch && p.key_id == h.key_id;
  return is_it ? i : kNoPeer;
}

bool Trunk::establish(PeerIndex peer, const Association& a, const SubKey& down) {
  Peer& p = peers_[peer];
  if (!add_rx(p, a.server_shard, down)) return false;
  p.association = a;
  p.named = 0;
  const SubKey up = sub_key(p.key_id, Purpose::to_server, a);
  gmac_.set_key(tx_place(peer), up.key.data());
  p.tx_salt = up.salt;
  return true;
}

Change Trunk::answered(Peer& p, const Status& status, Micros now) {
  const Micros sample = std::max(now - p.hellos.sent_at(status.echo), micros(1));
  p.hellos.answered(status.echo);
  // RFC 6298 §2.3 with alpha = 1/8.
  p.rtt = p.rtt.us == 0 ? sample : p.rtt + (sample - p.rtt) / 8;
  p.silent_at = now + config_.down_after;
  wake_at(p.silent_at);
  const Change told = learn(p, status);
  if (p.state == State::up) return told;
  p.state = State::up;
  p.next_hello = std::min(p.next_hello, now + config_.hello_interval);
  wake_at(p.next_hello);
  return Change::up;
}

Change Trunk::learn(Peer& p, const Status& s) {
  const bool news =
      p.status.draining != s.draining || p.status.direct != s.direct || p.status.shards != s.shards;
  p.status = s;
  p.max_datagram = std::min(config_.max_single, s.max_datagram);
  return news ? Change::status : Change::none;
}

Trunk::Result Trunk::on_frames_up(const Header& h, Bytes datagram, const Endpoint& from,
                                  const Endpoint& local, Micros now) {
  const auto i = static_cast<PeerIndex>(h.epoch);
  if (i >= peers_.size()) return refuse(Drop::trunk_stale);
  Peer& p = peers_[i];
  const Association& a = p.association;
  if (p.role != Role::relay || a.server_epoch != h.epoch || a.relay != h.sender || a.relay_shard != h.shard ||
      p.key_id != h.key_id)
    return refuse(Drop::trunk_stale);
  const bool newest = h.sequence >= rx_[p.rx[h.shard] - 1u].window.newest();
  if (const Drop d = accept(p, h, datagram); d != Drop::none) return refuse(d);
  p.silent_at = now + config_.forget_after;
  Received r{.peer = i, .type = h.type, .change = Change::none, .body = body_of(datagram)};
  if (p.state == State::down)
    r.change = Change::up;
  else if (newest && (p.remote != from || p.local != local))
    r.change = Change::moved;
  if (r.change != Change::none) {
    p.state = State::up;
    p.remote = from;
    p.local = local;
  }
  return r;
}

Trunk::Result Trunk::on_frames_down(const Header& h, Bytes datagram, Micros now) {
  const PeerIndex i = server_of(h);
  if (i == kNoPeer || peers_[i].association.server != h.sender || peers_[i].association.server_epoch == 0)
    return refuse(Drop::trunk_stale);
  Peer& p = peers_[i];
  if (p.rx[h.shard] == 0) {
    Association a = p.association;
    a.server_shard = h.shard;
    const SubKey down = sub_key(h.key_id, Purpose::to_relay, a);
    if (!authentic(down, h, datagram)) return refuse(Drop::trunk_auth);
    if (!add_rx(p, h.shard, down)) return refuse(Drop::trunk_full);
  }
  if (const Drop d = accept(p, h, datagram); d != Drop::none) return refuse(d);
  // Frames are as good a sign of life as a welcome, from the shard that has to answer hellos.
  if (p.state == State::up && h.shard == p.association.server_shard) p.silent_at = now + config_.down_after;
  return Received{.peer = i, .type = h.type, .change = Change::none, .body = body_of(datagram)};
}

}  // namespace sluice::trunk
