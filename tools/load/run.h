// `sluice load`: the whole run.
#pragma once

#include <string_view>

#include "tools/load/options.h"

namespace sluice::load {

/// Exit status: 0 measured (whatever the loss), 1 could not, 2 wrong usage, 3 measured, but the result is not
/// valid. Bounded in time; SIGINT and SIGTERM end it early with what there is.
int run(const Options& options, std::string_view version);

}  // namespace sluice::load
