#include <doctest/doctest.h>

#include "net/stun/message.h"
#include "tests/unit/load/rig.h"
#include "tools/load/flood_protocol.h"

using namespace sluice;
using namespace sluice::load;

TEST_CASE("A flood is of whole binding requests, no two alike, and nothing is expected of it") {
  Options o;
  o.target = {Address::v4(10, 9, 9, 9), 3478};
  std::vector<std::vector<uint8_t>> sent;
  Rig<FloodProtocol> rig(10, o, {}, [&](PretendWire&, const Datagram& d) {
    CHECK(d.to == o.target);
    sent.push_back(d.bytes);
  });
  rig.run(kStart + kSecond);
  REQUIRE(sent.size() == 500);
  for (const auto& bytes : sent) {
    const auto view = stun::View::parse(bytes);
    REQUIRE(view);
    CHECK(view->is_binding(stun::Class::request));
    CHECK(view->username()->size() == 24 + 1 + 4);
  }
  std::ranges::sort(sent);
  CHECK(std::ranges::adjacent_find(sent) == sent.end());
  CHECK(rig.figures().up.sent == 500);
  CHECK(rig.figures().expected() == 0);
  CHECK(rig.figures().loss() == 0);
}
