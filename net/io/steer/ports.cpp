#include "net/io/steer/ports.h"

#include <array>
#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "net/io/address.h"
#include "net/io/raw_socket.h"
#include "net/io/socket_options.h"
#include "net/io/steer/bpf_object.h"
#include "net/io/steer/grant.h"
#include "net/io/steer/ports_object.h"

namespace sluice::io {
namespace {

/// The map of owners, as memory.
class SharedBytes {
 public:
  SharedBytes() = default;
  SharedBytes(const SharedBytes&) = delete;
  SharedBytes& operator=(const SharedBytes&) = delete;
  ~SharedBytes() {
    if (at_) ::munmap(at_, size_);
  }
  bool map(int fd, size_t size) {
    void* at = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED) return false;
    at_ = static_cast<uint8_t*>(at);
    size_ = size;
    return true;
  }
  uint8_t* get() { return at_; }

 private:
  uint8_t* at_ = nullptr;
  size_t size_ = 0;
};

/// Bound where nothing is sent to, so that it is in the kernel's tables at all.
std::expected<Fd, IoError> make_receiver(bool ipv6, Endpoint& bound) {
  Fd fd(::socket(ipv6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  SocketAddress a{};
  bound = {.addr = Address::v4(127, 0, 0, 1), .port = 0};
  if (ipv6) bound.addr = Address::v6({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1});
  socklen_t len = to_sockaddr(bound, ipv6, 0, a);
  const bool ok = fd && set_option(fd.get(), SOL_SOCKET, SO_RXQ_OVFL, 1) &&
                  (ipv6 ? set_option(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 1) &&
                              set_option(fd.get(), IPPROTO_IPV6, IPV6_RECVORIGDSTADDR, 1)
                        : set_option(fd.get(), IPPROTO_IP, IP_RECVORIGDSTADDR, 1)) &&
                  ::bind(fd.get(), &a.sa, len) == 0 && ::getsockname(fd.get(), &a.sa, &len) == 0;
  if (!ok) return std::unexpected(bpf_error(errno, "a socket that receives for relay ports"));
  bound.port = from_sockaddr(reinterpret_cast<const uint8_t*>(&a)).port;
  return fd;
}

}  // namespace

struct SteeredPorts::Impl {
  BpfObject object;
  SharedBytes owners;
  std::vector<Fd> fds;
  std::vector<ShardSocket> receivers;  // by shard
  std::vector<ShardSocket> senders;    // by shard
  size_t families = 0;
  uint32_t rcvbuf_granted = UINT32_MAX;
  BpfLink link;  // last, so first to go

  std::expected<void, IoError> load(const PortSpace& space, uint32_t shards);
  std::expected<void, IoError> add_sockets(uint32_t shard, bool ipv6, uint32_t rcvbuf_bytes);
  std::expected<void, IoError> attach();
};

std::expected<void, IoError> SteeredPorts::Impl::load(const PortSpace& space, uint32_t shards) {
  object = open_bpf_object(kPortsObject, sizeof kPortsObject);
  if (!object) return std::unexpected(bpf_error(errno, "reading the BPF object"));
  const Grant grant = grant_of(space);
  if (::bpf_map__set_initial_value(map_of(object, ".rodata"), &grant, sizeof grant) != 0 ||
      ::bpf_map__set_max_entries(map_of(object, "blocks"), space.size() / kPortBlock) != 0 ||
      ::bpf_map__set_max_entries(map_of(object, "sockets"), 2 * shards) != 0)
    return std::unexpected(bpf_error(errno, "preparing the BPF program"));
  if (const int r = ::bpf_object__load(object.get()); r != 0)
    return std::unexpected(bpf_error(-r, "loading a BPF program"));
  if (!owners.map(map_fd(object, "blocks"), space.size()))
    return std::unexpected(bpf_error(errno, "sharing memory with a BPF program"));
  return {};
}

std::expected<void, IoError> SteeredPorts::Impl::add_sockets(uint32_t shard, bool ipv6,
                                                             uint32_t rcvbuf_bytes) {
  ShardSocket s{.bound = {}, .ipv6 = ipv6, .use = SocketUse::steered};
  auto receiver = make_receiver(ipv6, s.bound);
  if (!receiver) return std::unexpected(receiver.error());
  s.fd = receiver->get();
  rcvbuf_granted = std::min(rcvbuf_granted, set_buffer(s.fd, SO_RCVBUFFORCE, SO_RCVBUF, rcvbuf_bytes));
  const uint32_t key = 2 * shard + ipv6;
  const auto value = static_cast<uint64_t>(s.fd);
  if (::bpf_map_update_elem(map_fd(object, "sockets"), &key, &value, BPF_ANY) != 0)
    return std::unexpected(bpf_error(errno, "naming a socket to the BPF program"));
  receivers.push_back(s);

  Fd sender = open_raw_socket(ipv6);
  if (!sender) return std::unexpected(bpf_error(errno, "a raw socket"));
  const Address any = ipv6 ? Address{} : Address::v4(uint32_t{0});
  senders.push_back(
      {.fd = sender.get(), .bound = {.addr = any, .port = 0}, .ipv6 = ipv6, .use = SocketUse::raw});
  fds.push_back(std::move(*receiver));
  fds.push_back(std::move(sender));
  return {};
}

std::expected<void, IoError> SteeredPorts::Impl::attach() {
  const Fd netns(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  if (!netns) return std::unexpected(bpf_error(errno, "naming the network namespace"));
  const bpf_program* program = ::bpf_object__find_program_by_name(object.get(), "relay_ports");
  link.reset(::bpf_program__attach_netns(program, netns.get()));
  if (!link) return std::unexpected(bpf_error(errno, "attaching a BPF program"));
  return {};
}

SteeredPorts::SteeredPorts(std::unique_ptr<Impl> impl)
    : impl_(std::move(impl)), owners_(impl_->owners.get()) {}
SteeredPorts::SteeredPorts(SteeredPorts&&) noexcept = default;
SteeredPorts& SteeredPorts::operator=(SteeredPorts&&) noexcept = default;
SteeredPorts::~SteeredPorts() = default;

std::expected<SteeredPorts, IoError> SteeredPorts::attach(const PortSpace& space, uint32_t shards,
                                                          uint32_t rcvbuf_bytes) {
  if (shards == 0 || shards > kShardsMax || space.size() == 0)
    return std::unexpected(IoError{
        fmt::format("{} ports for {} shards cannot be steered: 1 to {} shards can, and a port at least",
                    space.size(), shards, kShardsMax),
        ""});
  auto impl = std::make_unique<Impl>();
  if (auto ok = impl->load(space, shards); !ok) return std::unexpected(ok.error());
  const bool v4 = std::ranges::any_of(space.addresses(), &Address::is_v4);
  const bool v6 = !std::ranges::all_of(space.addresses(), &Address::is_v4);
  impl->families = size_t{v4} + v6;
  for (uint32_t shard = 0; shard < shards; ++shard)
    for (const bool ipv6 : {false, true}) {
      if (!(ipv6 ? v6 : v4)) continue;
      if (auto ok = impl->add_sockets(shard, ipv6, rcvbuf_bytes); !ok) return std::unexpected(ok.error());
    }
  if (auto ok = impl->attach(); !ok) return std::unexpected(ok.error());
  return SteeredPorts(std::move(impl));
}

std::span<const ShardSocket> SteeredPorts::receivers(uint32_t shard) const {
  return std::span(impl_->receivers).subspan(shard * impl_->families, impl_->families);
}

std::span<const ShardSocket> SteeredPorts::senders(uint32_t shard) const {
  return std::span(impl_->senders).subspan(shard * impl_->families, impl_->families);
}

int SteeredPorts::owners_map() const { return map_fd(impl_->object, "blocks"); }

uint32_t SteeredPorts::rcvbuf_granted() const { return impl_->rcvbuf_granted; }

}  // namespace sluice::io
