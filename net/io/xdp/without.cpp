// What accelerated receive is where it could not be built.
#include "net/io/xdp/receive.h"

namespace sluice::io {

struct XdpQueue::Impl {};
XdpQueue::XdpQueue(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
XdpQueue::~XdpQueue() = default;
int XdpQueue::fd() const { return -1; }
uint32_t XdpQueue::ifindex() const { return 0; }
uint32_t XdpQueue::send_room() { return 0; }
bool XdpQueue::put(std::span<const iovec>) { return false; }
uint32_t XdpQueue::send() { return 0; }
bool XdpQueue::receive(RxBatch&, PacketPool&, IoCounters&, DropCounters&) { return false; }
uint64_t XdpQueue::take_lost() { return 0; }

struct XdpReceive::Impl {};
XdpReceive::XdpReceive(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
XdpReceive::~XdpReceive() = default;
std::expected<std::unique_ptr<XdpReceive>, IoError> XdpReceive::attach(const XdpOptions&) {
  return std::unexpected(IoError{"receiving frames is not built in",
                                 "build with clang-19, libbpf-dev and libxdp-dev installed"});
}
std::span<const std::unique_ptr<XdpQueue>> XdpReceive::queues(uint32_t) const { return {}; }
std::string XdpReceive::describe() const { return {}; }

}  // namespace sluice::io
