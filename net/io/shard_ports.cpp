#include "net/io/shard_ports.h"

#include <algorithm>

#include <fmt/format.h>
#include <unistd.h>

namespace sluice::io {

ShardPorts::~ShardPorts() {
  for (const PortSocket& s : sockets_)
    if (s.fd >= 0) ::close(s.fd);
  if (ports_) ports_->release(shard_);
}

std::expected<void, IoError> ShardPorts::grant(const RelayGrant& grant, RelayPorts* shared, uint32_t shard,
                                               bool prebuilt_tx) {
  prebuilt_tx_ = prebuilt_tx;
  if (granted()) return std::unexpected(IoError{"relay ports were granted already", ""});
  if (!shared) {
    auto own = RelayPorts::make(grant, {.mode = RelayMode::sockets});
    if (!own) return std::unexpected(own.error());
    own_ = std::move(*own);
    shared = own_.get();
    shard = 0;
  }
  const auto space = PortSpace::of(grant);
  if (!space) return std::unexpected(space.error());
  if (*space != shared->space() || shard >= shared->shards())
    return std::unexpected(IoError{"a shard's relay ports are not those of the process", ""});
  ports_ = shared;
  shard_ = shard;
  steered_ = shared->steered();
  space_ = *space;
  if (!steered_) sockets_.resize(space_.size());
  return {};
}

RelayAbility ShardPorts::ability(uint32_t ceiling, std::string_view how) {
  const auto [lo, hi] = space_.ports();
  const auto of = [&](auto addresses) {
    return std::min(ceiling, static_cast<uint32_t>(addresses) * (uint32_t{hi} - lo + 1));
  };
  const auto v4 = std::ranges::count_if(space_.addresses(), &Address::is_v4);
  const auto v6 = static_cast<ptrdiff_t>(space_.addresses().size()) - v4;
  max_open_ = of(v4 + v6);
  RelayAbility a{
      .max_open = max_open_, .steered = steered_ != nullptr, .prebuilt_tx = prebuilt_tx_, .text = ""};
  a.text = fmt::format("relay ports: {}: at most {} ports on this shard", how, max_open_);
  // Who comes by the one cannot have those of the other.
  if (v4 > 0 && v6 > 0 && (of(v4) < max_open_ || of(v6) < max_open_))
    a.text += fmt::format(", {} of IPv4 and {} of IPv6", of(v4), of(v6));
  if (!ports_->why_not().empty()) a.text += fmt::format("; not steered: {}", ports_->why_not());
  if (!ports_->advice().empty()) a.text += "; " + ports_->advice();
  return a;
}

RelayAbility ShardPorts::ability_of_sockets() {
  return ability(
      ports_->files_per_shard(),
      fmt::format("one socket (3 KiB of kernel memory) per port, {} open files in all", ports_->files()));
}

uint32_t ShardPorts::openable(const Endpoint& local) const {
  const uint32_t i = space_.index(local);
  if (i == kNone || open_ >= max_open_ || !ports_->is_claimed(shard_, space_.block_of(i))) return kNone;
  return index(local) == kNone ? i : kNone;
}

bool ShardPorts::open_steered(uint32_t index) {
  if (ports_->is_taken(index)) return false;
  steered_->open(shard_, index);
  ++open_;
  return true;
}

void ShardPorts::close_steered(uint32_t index) {
  steered_->close(index);
  --open_;
}

}  // namespace sluice::io
