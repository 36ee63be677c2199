// `sluice check` in words.
#pragma once

#include <string>

#include "tools/sluice/config.h"

namespace sluice {

/// A line per option: its value and where it comes from.
std::string explain_values(const Config& config);
/// Who may do what, and what is missing for a browser.
std::string explain_access(const Config& config);

}  // namespace sluice
