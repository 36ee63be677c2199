// What Steering is where it could not be built.
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

}  // namespace sluice::io
