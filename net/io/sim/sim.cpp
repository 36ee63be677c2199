#include "net/io/sim/sim.h"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace sluice::io {

SimBackend::Queue::Queue(uint32_t capacity) : d(capacity), bytes(size_t{capacity} * kSlotBytes) {}

Bytes SimBackend::Queue::front_bytes() const {
  const size_t stored = std::min<size_t>(d[head].len, kSlotBytes);
  return Bytes(bytes).subspan(size_t{head} * kSlotBytes, stored);
}

void SimBackend::Queue::push(const SimDatagram& m, Bytes payload) {
  const size_t at = (head + n) % d.size();
  d[at] = m;
  d[at].len = static_cast<uint16_t>(std::min<size_t>(payload.size(), UINT16_MAX));
  const size_t stored = std::min<size_t>(payload.size(), kSlotBytes);
  if (stored > 0) std::memcpy(&bytes[at * kSlotBytes], payload.data(), stored);
  ++n;
}

SimBackend::SimBackend(PacketPool& pool, const Options& options)
    : pool_(pool),
      most_ports_(options.relay_ports),
      rx_(std::max(options.rx_queue, 1u)),
      tx_(std::max(options.tx_queue, 1u)) {}

std::expected<RelayAbility, IoError> SimBackend::grant_relay(const RelayGrant& grant) {
  const auto space = PortSpace::of(grant);
  if (!space) return std::unexpected(space.error());
  space_ = *space;
  claimed_.assign(space_.blocks(), false);
  open_.assign(space_.size(), false);
  return RelayAbility{.max_open = most_ports_, .steered = true, .prebuilt_tx = false, .text = ""};
}

bool SimBackend::claim_block(uint16_t first) {
  const uint32_t block = space_.block(first);
  if (block == PortSpace::kNone || claimed_[block]) return false;
  claimed_[block] = true;
  return true;
}

bool SimBackend::open_port(const Endpoint& local) {
  if (!serves(local) || ports_open_ == most_ports_) return false;
  assert(is_closed(local));
  open_[space_.index(local)] = true;
  ++ports_open_;
  return true;
}

void SimBackend::close_port(const Endpoint& local) {
  assert(serves(local) && !is_closed(local));
  open_[space_.index(local)] = false;
  --ports_open_;
}

bool SimBackend::inject(const SimDatagram& d, Bytes payload) {
  if (rx_.full()) {
    ++counters_.kernel_drops;
    return false;
  }
  rx_.push(d, payload);
  return true;
}

Micros SimBackend::next_arrival() const { return rx_.n == 0 || stalled_ ? kNever : rx_.front().at; }

Micros SimBackend::receive(RxBatch& rx, Micros deadline, DropCounters& drops) {
  deadline_ = deadline;
  ++counters_.rx_calls;
  for (; !rx.full() && next_arrival() <= now_; rx_.pop()) {
    const SimDatagram& d = rx_.front();
    if (d.len > kMaxDatagram || is_closed(d.to)) {
      drops.add(d.len > kMaxDatagram ? Drop::oversize : Drop::port_closed);
      continue;
    }
    const SlotIndex slot = pretend_empty_ ? kNoSlot : pool_.take();
    if (slot == kNoSlot) {
      drops.add(Drop::pool_empty);
      continue;
    }
    Packet& p = rx.push();
    p.slot = slot;
    p.offset = kHeadroom;
    p.len = d.len;
    p.remote = d.from;
    p.local = d.to;
    p.ifindex = d.ifindex;
    p.rx_time = now_;
    p.ecn = d.ecn & 3;
    if (d.len > 0) std::memcpy(pool_.slot_bytes(slot) + kHeadroom, rx_.front_bytes().data(), d.len);
    ++counters_.rx_packets;
    counters_.rx_bytes += d.len;
  }
  return now_;
}

void SimBackend::send(TxBatch& tx, DropCounters& drops) {
  ++counters_.tx_calls;
  for (const Packet& p : tx) {
    if (fail_sends_ > 0) {
      --fail_sends_;
      drops.add(fail_why_);
    } else if (is_closed(p.local)) {
      drops.add(Drop::tx_no_route);
    } else if (tx_.full()) {
      drops.add(Drop::tx_full);
    } else {
      tx_.push({.from = p.local, .to = p.remote, .at = now_, .ifindex = p.ifindex, .len = p.len, .ecn = 0},
               pool_.payload(p));
      ++counters_.tx_packets;
      counters_.tx_bytes += p.len;
    }
    pool_.drop(p.slot);
  }
  tx.clear();
}

}  // namespace sluice::io
