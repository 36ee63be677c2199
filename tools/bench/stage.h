// Where contestants meet: a veth pair, files with keys, a core for the server and one for the generator.
#pragma once

#include <expected>
#include <string>

#include "net/io/socket.h"
#include "tools/load/veth.h"

namespace sluice::bench {

struct StageOptions {
  unsigned server_core = 0, generator_core = 1;
};

class Stage {
 public:
  static constexpr const char* kName = "slbench";
  /// Makes all of it, and puts the caller on the generator's core. Root only; the error is a sentence.
  static std::expected<Stage, std::string> make(const StageOptions& options);
  Stage(Stage&& other) noexcept;
  Stage& operator=(Stage&&) = delete;
  ~Stage();

  const StageOptions& options() const { return options_; }
  const load::Veth& veth() const { return veth_; }
  std::string interface() const { return std::string(kName) + "-s"; }
  std::string file(std::string_view name) const { return folder_ + "/" + std::string(name); }
  /// "@FILE" of "route", "ice" or "trunk".
  std::string key(std::string_view name) const { return "@" + file(name); }
  /// Whether contestants, generator and receive work have real-time priority.
  bool is_urgent() const { return urgent_; }
  /// This program.
  const std::string& self() const { return self_; }

 private:
  Stage(const StageOptions& options, io::Fd alone, load::Veth veth)
      : options_(options), alone_(std::move(alone)), veth_(std::move(veth)) {}
  std::expected<void, std::string> write_keys();

  StageOptions options_;
  io::Fd alone_;  ///< nobody else has a stage as long as it is open
  load::Veth veth_;
  std::string folder_, self_;
  bool urgent_ = false;
};

}  // namespace sluice::bench
