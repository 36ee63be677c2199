// What steering is where it could not be built.
#include "net/io/steer/ports.h"
#include "net/io/steer/steer.h"

namespace sluice::io {

struct Steering::Impl {};

Steering::Steering(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Steering::Steering(Steering&&) noexcept = default;
Steering& Steering::operator=(Steering&&) noexcept = default;
Steering::~Steering() = default;

std::expected<Steering, IoError> Steering::attach(const ListenSockets&, uint32_t) {
  return std::unexpected(IoError{"steering: not built in; the kernel's own hash stays in force",
                                 "build with clang-19 and libbpf-dev installed"});
}
bool Steering::set(const Endpoint&, uint16_t, ShardId) { return false; }
bool Steering::erase(const Endpoint&, uint16_t) { return false; }
SteeringCounters Steering::counters() const { return {}; }
int Steering::flows_map() const { return -1; }

struct SteeredPorts::Impl {};

SteeredPorts::SteeredPorts(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SteeredPorts::SteeredPorts(SteeredPorts&&) noexcept = default;
SteeredPorts& SteeredPorts::operator=(SteeredPorts&&) noexcept = default;
SteeredPorts::~SteeredPorts() = default;

std::expected<SteeredPorts, IoError> SteeredPorts::attach(const PortSpace&, uint32_t, uint32_t) {
  return std::unexpected(IoError{"steering is not built in", "build with clang-19 and libbpf-dev installed"});
}
std::span<const ShardSocket> SteeredPorts::receivers(uint32_t) const { return {}; }
std::span<const ShardSocket> SteeredPorts::senders(uint32_t) const { return {}; }
uint32_t SteeredPorts::rcvbuf_granted() const { return 0; }
int SteeredPorts::owners_map() const { return -1; }

}  // namespace sluice::io
