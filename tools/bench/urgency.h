// Real-time priorities, the same for every contestant, so that what else the machine does disturbs none.
#pragma once

#include <sys/types.h>

namespace sluice::bench {

/// The receive work goes before whoever is received for, as a card's interrupts do.
enum class Urgency : int { generator = 10, server = 10, receive = 20 };

/// `thread`: 0 is the caller, whose later threads inherit it. False if it is not permitted.
bool raise(pid_t thread, Urgency urgency);
/// Keeps the caller and its later threads on one core.
void stay_on(unsigned core);

}  // namespace sluice::bench
