// What the host says about local ports and open files. Control thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "net/io/backend.h"

namespace sluice::io {

/// The text of net.ipv4.ip_local_port_range ("32768\t60999").
std::optional<PortRange> parse_port_range(std::string_view text);
/// Whether `reserved`, the text of net.ipv4.ip_local_reserved_ports ("8080,50000-59999"), holds every port of
/// `range`.
bool all_reserved(PortRange range, std::string_view reserved);

/// Which of `ports` the kernel may hand out to programs that ask for any port; empty: none.
std::optional<PortRange> handed_out(PortRange ports);

/// Raises the soft limit of open files to the hard one. Returns the limit that is in force.
uint32_t raise_open_files();
/// Descriptors that this process has open.
uint32_t open_files();

}  // namespace sluice::io
