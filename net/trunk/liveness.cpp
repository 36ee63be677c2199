// What time brings: hellos, and peers that fall silent.
#include "net/trunk/trunk.h"

namespace sluice::trunk {

std::optional<Trunk::Due> Trunk::poll(Micros now, MutBytes out) {
  if (now < deadline_) return {};
  for (; cursor_ < peers_.size(); ++cursor_)
    if (const auto found = due(static_cast<PeerIndex>(cursor_), now, out)) return found;
  cursor_ = 0;
  deadline_ = kNever;
  for (const Peer& p : peers_) wake_at(p.deadline());
  return {};
}

std::optional<Trunk::Due> Trunk::due(PeerIndex peer, Micros now, MutBytes out) {
  Peer& p = peers_[peer];
  if (now >= p.silent_at) {
    p.silent_at = kNever;
    if (p.role == Role::server) {
      p.state = State::down;
      return Due{.peer = peer, .change = Change::down};
    }
    remove(peer);
    return Due{.peer = peer, .change = Change::forgotten};
  }
  if (now < p.next_hello) return {};
  const Micros interval = p.state == State::up ? config_.hello_interval : config_.hello_interval_down;
  // A steady beat, but no crowd of hellos after a pause.
  p.next_hello = std::max(p.next_hello + interval, now + interval / 2);
  return Due{.peer = peer, .hello = write_hello(peer, out, now)};
}

/// Its key is needed once per interval, so it has no place of its own.
size_t Trunk::write_hello(PeerIndex peer, MutBytes out, Micros now) {
  Peer& p = peers_[peer];
  const Association unknown{.relay = p.association.relay,
                            .relay_epoch = p.association.relay_epoch,
                            .relay_shard = p.association.relay_shard};
  const SubKey sub = sub_key(p.key_id, Purpose::hello, unknown);
  gmac_.set_key(kScratch, sub.key.data());
  const Seal seal{.header = {.type = Type::hello,
                             .key_id = p.key_id,
                             .shard = config_.shard,
                             .sender = config_.id,
                             .epoch = p.association.relay_epoch,
                             .sequence = p.hello_sequence},
                  .gmac = gmac_,
                  .place = kScratch,
                  .salt = sub.salt};
  p.hellos.sent(p.hello_sequence++, now);
  return write_control(p, 0, seal, out);
}

}  // namespace sluice::trunk
