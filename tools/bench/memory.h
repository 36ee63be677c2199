// What a program's memory is: what it has, and what it says that it may have.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <sys/types.h>

namespace sluice::bench {

/// Resident memory of a process that is no file's and no device's, bytes; 0 if there is no such process.
int64_t anonymous_bytes(pid_t process);
/// The same out of the text of /proc/PID/status.
std::optional<int64_t> parse_anonymous(std::string_view status);

/// The number behind the last `words` of a text, blanks between; nothing if there is none.
std::optional<double> number_behind(std::string_view text, std::string_view words);

}  // namespace sluice::bench
