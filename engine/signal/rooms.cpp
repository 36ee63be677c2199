#include "engine/signal/rooms.h"

#include <cassert>

namespace sluice::engine {

Rooms::Rooms(uint32_t capacity) : rooms_(capacity) {
  free_.reserve(capacity);
  for (uint32_t i = capacity; i > 0; --i) free_.push_back(i - 1);
}

std::optional<Rooms::Ref> Rooms::hold(std::string_view name) {
  std::string key(name);
  auto it = by_name_.find(key);
  if (it == by_name_.end()) {
    if (free_.empty()) return {};
    const uint32_t index = free_.back();
    free_.pop_back();
    const uint32_t gen = rooms_[index].gen + 1;
    rooms_[index] = Room{};
    rooms_[index].name = key;
    rooms_[index].gen = gen;
    it = by_name_.emplace(std::move(key), index).first;
  }
  Room& room = rooms_[it->second];
  ++room.holders;
  return Ref{it->second, room.gen};
}

bool Rooms::release(uint32_t index) {
  Room& room = rooms_[index];
  assert(room.holders > 0);
  if (--room.holders > 0) return false;
  by_name_.erase(room.name);
  free_.push_back(index);
  return true;
}

const Room* Rooms::find(std::string_view name) const {
  const auto it = by_name_.find(std::string(name));
  return it == by_name_.end() ? nullptr : &rooms_[it->second];
}

Command Rooms::command_for(uint32_t index) const {
  const Room& room = rooms_[index];
  Command c;
  c.kind = Command::Kind::room;
  c.room = index;
  c.room_gen = room.gen;
  c.session = room.publisher;
  c.publisher_shard = room.publisher_shard;
  for (size_t s = 0; s < room.players.size(); ++s)
    if (room.players[s] > 0) c.shards_with_players |= uint64_t{1} << s;
  return c;
}

}  // namespace sluice::engine
