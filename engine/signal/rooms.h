// Who publishes into which room and on which shards its players sit. Control thread only.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/shard/messages.h"
#include "engine/spec.h"

namespace sluice::engine {

/// A room lives from its first session to its last one. Players and publishers hold it from accept() on, but
/// count for forwarding only once connected.
struct Room {
  std::string name;
  uint32_t gen = 0;
  uint32_t holders = 0;  ///< live sessions of any state
  SessionKey publisher;  ///< whose media is forwarded
  ShardId publisher_shard;
  SessionKey claimant;  ///< the publisher, or the one that is to be once it is connected
  std::array<uint32_t, kMaxShards> players{};  ///< connected, per shard

  uint32_t connected_players() const {
    uint32_t n = 0;
    for (const uint32_t p : players) n += p;
    return n;
  }
};

class Rooms {
 public:
  explicit Rooms(uint32_t capacity);

  struct Ref {
    uint32_t index = UINT32_MAX;
    uint32_t gen = 0;
  };
  /// The room of that name, made if need be, with one holder more. Empty: all rooms are in use.
  std::optional<Ref> hold(std::string_view name);
  /// One holder fewer; true when that ended the room, whose index may be used again.
  bool release(uint32_t index);

  Room& at(uint32_t index) { return rooms_[index]; }
  const Room& at(uint32_t index) const { return rooms_[index]; }
  const Room* find(std::string_view name) const;
  uint32_t live() const { return static_cast<uint32_t>(by_name_.size()); }
  uint32_t capacity() const { return static_cast<uint32_t>(rooms_.size()); }

  /// What every shard must know of the room now.
  Command command_for(uint32_t index) const;

  template <class F>
  void for_each(F&& f) const {
    for (const auto& [name, index] : by_name_) f(rooms_[index]);
  }

 private:
  std::vector<Room> rooms_;
  std::vector<uint32_t> free_;
  std::unordered_map<std::string, uint32_t> by_name_;
};

}  // namespace sluice::engine
