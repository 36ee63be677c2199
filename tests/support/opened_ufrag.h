// What a relay that has the key reads out of a ufrag.
#pragma once

#include <string_view>

#include <doctest/doctest.h>

#include "engine/relay/config.h"
#include "net/ice/ufrag.h"

namespace sluice::test {

inline ice::UfragFields opened(const engine::relay::FleetKey& key, std::string_view ufrag) {
  crypto::AesBlock cipher(key.route);
  ice::UfragCodec codec;
  codec.set_key(key.id, cipher.view());
  const auto o = codec.decode(ufrag);
  REQUIRE(o.has_value());
  return o->fields;
}

}  // namespace sluice::test
