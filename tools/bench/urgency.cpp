#include "tools/bench/urgency.h"

#include <sched.h>

namespace sluice::bench {

bool raise(pid_t thread, Urgency urgency) {
  const sched_param p{.sched_priority = static_cast<int>(urgency)};
  return ::sched_setscheduler(thread, SCHED_FIFO, &p) == 0;
}

void stay_on(unsigned core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  ::sched_setaffinity(0, sizeof set, &set);
}

}  // namespace sluice::bench
