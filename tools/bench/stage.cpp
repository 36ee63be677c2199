#include "tools/bench/stage.h"

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <utility>

#include <fmt/format.h>
#include <sys/stat.h>

#include "net/crypto/random.h"
#include "tools/bench/cpu.h"
#include "tools/bench/urgency.h"

namespace sluice::bench {

std::expected<Stage, std::string> Stage::make(const StageOptions& options) {
  auto veth = load::Veth::make(kName, {options.server_core}, {options.generator_core});
  if (!veth) return std::unexpected(veth.error());
  Stage stage(options, std::move(*veth));
  stage.urgent_ = raise(0, Urgency::generator);
  stay_on(options.generator_core);
  for (const char* end : {"-s", "-g"})
    for (const pid_t thread : receive_threads(std::string(kName) + end))
      (void)raise(thread, Urgency::receive);
  std::error_code error;
  stage.self_ = std::filesystem::read_symlink("/proc/self/exe", error).string();
  std::string folder = (std::filesystem::temp_directory_path(error) / "sluice-bench-XXXXXX").string();
  if (::mkdtemp(folder.data()) == nullptr)
    return std::unexpected(fmt::format("cannot make {}: {}", folder, std::strerror(errno)));
  stage.folder_ = folder;
  if (auto written = stage.write_keys(); !written) return std::unexpected(written.error());
  return stage;
}

std::expected<void, std::string> Stage::write_keys() {
  ::umask(0077);
  for (const char* name : {"route", "ice", "trunk"}) {
    std::ofstream out(file(name));
    const auto bytes = crypto::system_random().bytes<32>();
    for (const uint8_t b : bytes) out << fmt::format("{:02x}", b);
    out << '\n' << std::flush;
    if (!out) return std::unexpected(fmt::format("cannot write {}", file(name)));
  }
  return {};
}

Stage::Stage(Stage&& other) noexcept
    : options_(other.options_),
      veth_(std::move(other.veth_)),
      folder_(std::exchange(other.folder_, {})),
      self_(std::move(other.self_)),
      urgent_(other.urgent_) {}

Stage::~Stage() {
  std::error_code error;
  if (!folder_.empty()) std::filesystem::remove_all(folder_, error);
}

}  // namespace sluice::bench
