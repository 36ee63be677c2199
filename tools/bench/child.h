// A program under test, and what it costs.
#pragma once

#include <expected>
#include <string>
#include <vector>

#include <sys/types.h>

#include "net/io/socket.h"

namespace sluice::bench {

struct ChildOptions {
  std::vector<std::string> words;  ///< the program and its arguments
  unsigned core = 0;               ///< all its threads stay there
  std::string log;                 ///< file for stdout and stderr
  uint16_t udp_port = 0;           ///< bound when it is ready
  std::string ready;               ///< begins a line that it prints then; empty: the port tells
};

/// Ends with this process, whatever that dies of.
class Child {
 public:
  /// Waits until it is ready. The error is a sentence with the last line that it printed.
  static std::expected<Child, std::string> start(const ChildOptions& options);
  Child(Child&& other) noexcept;
  Child& operator=(Child&&) = delete;
  ~Child();

  pid_t pid() const { return pid_; }
  bool runs() const;

 private:
  explicit Child(pid_t pid) : pid_(pid) {}
  pid_t pid_ = 0;
};

/// Where an executable is on PATH; empty: nowhere.
std::string find_program(const std::string& name);
/// The last line that a program prints, e.g. with --version; empty if it cannot be run.
std::string last_line_of(const std::string& command);

}  // namespace sluice::bench
