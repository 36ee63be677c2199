#include "tests/sim/story.h"

namespace sluice::sim {

TEST_CASE("an echo comes back after the set delay, complete and in order") {
  World w({});
  Host& h = w.call(echo_caller());
  REQUIRE(connects(w, h));
  w.run_for(seconds(5));
  REQUIRE(heard(h).size() > 200);
  for (size_t i = 0; i < heard(h).size(); ++i) CHECK(heard(h)[i].mark.counter == i);
  CHECK(h.peer.problem() == "");
  CHECK(w.all_drops() == 0);
}

}  // namespace sluice::sim
