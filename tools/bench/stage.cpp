#include "tools/bench/stage.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <utility>

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "net/crypto/random.h"
#include "tools/bench/cpu.h"
#include "tools/bench/urgency.h"

namespace sluice::bench {

namespace {

/// A name that one process of this network namespace can have at a time, whatever it dies of.
std::expected<io::Fd, std::string> be_alone() {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  // An abstract one: a zero byte first.
  std::copy_n(Stage::kName, std::strlen(Stage::kName), name.sun_path + 1);
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + std::strlen(Stage::kName));
  io::Fd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd || ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&name), length) != 0)
    return std::unexpected(
        std::string("another sluice bench runs here; two would spoil each other's figures"));
  return fd;
}

}  // namespace

std::expected<Stage, std::string> Stage::make(const StageOptions& options) {
  auto alone = be_alone();
  if (!alone) return std::unexpected(alone.error());
  auto veth = load::Veth::make(kName, {options.server_core}, {options.generator_core});
  if (!veth) return std::unexpected(veth.error());
  Stage stage(options, std::move(*alone), std::move(*veth));
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
      alone_(std::move(other.alone_)),
      veth_(std::move(other.veth_)),
      folder_(std::exchange(other.folder_, {})),
      self_(std::move(other.self_)),
      urgent_(other.urgent_) {}

Stage::~Stage() {
  std::error_code error;
  if (!folder_.empty()) std::filesystem::remove_all(folder_, error);
}

}  // namespace sluice::bench
