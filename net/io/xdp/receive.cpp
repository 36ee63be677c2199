#include "net/io/xdp/receive.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include <fmt/format.h>
#include <linux/if_link.h>
#include <netinet/in.h>

#include "net/io/socket.h"
#include "net/io/steer/bpf_object.h"
#include "net/io/steer/frames_object.h"
#include "net/io/steer/grant.h"
#include "net/io/steer/steer.h"

namespace sluice::io {
namespace {

/// As struct endpoint of frames.bpf.c.
struct EndpointKey {
  std::array<uint8_t, 16> addr;
  uint16_t port;  // network order
  uint16_t zero;
};
static_assert(sizeof(EndpointKey) == 20);

/// As the program's constants.
struct Settings {
  Grant grant;
  uint32_t shards;
};
static_assert(sizeof(Settings) == sizeof(Grant) + 4);

IoError attach_error(int error, std::string_view what) {
  if (error != EBUSY && error != EEXIST) return bpf_error(error, what);
  return {fmt::format("{}: another XDP program is there", what),
          "see: ip link; remove it or receive by sockets"};
}

uint32_t receive_queues(const std::string& interface) {
  uint32_t n = 0;
  std::error_code error;
  for (const auto& entry :
       std::filesystem::directory_iterator("/sys/class/net/" + interface + "/queues", error))
    n += entry.path().filename().string().starts_with("rx-");
  return std::clamp(n, 1u, XdpReceive::kMaxQueues);
}

/// One interface's program and queues.
struct Interface {
  std::string name;
  uint32_t ifindex = 0;
  BpfObject object;
  std::vector<uint32_t> queue_of;  // by queue made: its number
  bool zero_copy = false;
  BpfLink link;

  std::expected<void, IoError> load(const XdpOptions& options, const Interface* first);
  std::expected<void, IoError> add(const XdpQueue& queue, uint32_t number);
  std::expected<void, IoError> attach();
};

std::expected<void, IoError> Interface::load(const XdpOptions& options, const Interface* first) {
  object = open_bpf_object(kFramesObject, sizeof kFramesObject);
  if (!object) return std::unexpected(attach_error(errno, "reading the BPF object"));
  RelayPorts* const ports = options.ports && options.ports->steered() ? options.ports : nullptr;
  const Settings settings{.grant = ports ? grant_of(ports->space()) : Grant{}, .shards = options.shards};
  bool ok = ::bpf_map__set_initial_value(map_of(object, ".rodata"), &settings, sizeof settings) == 0;
  if (ports) ok &= ::bpf_map__reuse_fd(map_of(object, "blocks"), ports->steered()->owners_map()) == 0;
  // One process has one map of each, however many interfaces there are.
  const int flows = options.steering ? options.steering->flows_map()
                    : first          ? map_fd(first->object, "flows")
                                     : -1;
  if (flows >= 0) ok &= ::bpf_map__reuse_fd(map_of(object, "flows"), flows) == 0;
  if (first) ok &= ::bpf_map__reuse_fd(map_of(object, "endpoints"), map_fd(first->object, "endpoints")) == 0;
  if (!ok) return std::unexpected(attach_error(errno, "preparing the BPF program"));
  if (const int r = ::bpf_object__load(object.get()); r != 0)
    return std::unexpected(attach_error(-r, "loading a BPF program"));
  return {};
}

std::expected<void, IoError> Interface::add(const XdpQueue& queue, uint32_t number) {
  const int fd = queue.fd();
  if (::bpf_map_update_elem(map_fd(object, "queues"), &number, &fd, BPF_ANY) != 0)
    return std::unexpected(attach_error(errno, "naming a queue to the BPF program"));
  zero_copy |= queue.zero_copy();
  return {};
}

std::expected<void, IoError> Interface::attach() {
  const bpf_program* program = ::bpf_object__find_program_by_name(object.get(), "take_frames");
  link.reset(::bpf_program__attach_xdp(program, static_cast<int>(ifindex)));
  if (!link) return std::unexpected(attach_error(errno, fmt::format("attaching XDP to {}", name)));
  return {};
}

bool is_address_of_ours(const Address& a, const XdpOptions& options) {
  const auto listens = [&](const Endpoint& e) { return e.addr == a || e.addr.is_unspecified(); };
  if (std::ranges::any_of(options.listens, listens)) return true;
  return options.ports &&
         std::ranges::find(options.ports->space().addresses(), a) != options.ports->space().addresses().end();
}

/// Those that have an address of ours.
std::expected<std::vector<LocalAddress>, IoError> find_addresses(const XdpOptions& options) {
  auto local = local_addresses();
  if (!local) return std::unexpected(local.error());
  std::erase_if(*local,
                [&](const LocalAddress& a) { return a.loopback || !is_address_of_ours(a.addr, options); });
  if (local->empty())
    return std::unexpected(IoError{"none of the addresses listened on is on an interface with frames",
                                   "loopback has none; listen on an address of an Ethernet interface"});
  return local;
}

}  // namespace

struct XdpReceive::Impl {
  std::vector<std::vector<std::unique_ptr<XdpQueue>>> queues;  // by shard
  std::vector<Interface> interfaces;                           // last, so first to go: nothing arrives then

  std::expected<void, IoError> add_interface(const LocalAddress& on, const XdpOptions& options);
  std::expected<void, IoError> add_endpoints(std::span<const LocalAddress> local, const XdpOptions& options);
};

std::expected<void, IoError> XdpReceive::Impl::add_interface(const LocalAddress& on,
                                                             const XdpOptions& options) {
  const Interface* first = interfaces.empty() ? nullptr : &interfaces.front();
  Interface made;
  made.name = on.interface;
  made.ifindex = on.ifindex;
  if (auto ok = made.load(options, first); !ok) return ok;
  for (uint32_t q = 0; q < receive_queues(on.interface); ++q) {
    auto queue = XdpQueue::open(on.interface, on.ifindex, q);
    if (!queue)
      return std::unexpected(IoError{
          fmt::format("queue {} of {}: {}", q, on.interface, queue.error().message), queue.error().fix});
    if (auto ok = made.add(**queue, q); !ok) return ok;
    queues[q % options.shards].push_back(std::move(*queue));
    made.queue_of.push_back(q);
  }
  if (auto ok = made.attach(); !ok) return ok;
  interfaces.push_back(std::move(made));
  return {};
}

std::expected<void, IoError> XdpReceive::Impl::add_endpoints(std::span<const LocalAddress> local,
                                                             const XdpOptions& options) {
  const int map = map_fd(interfaces.front().object, "endpoints");
  const uint8_t yes = 1;
  for (const Endpoint& e : options.listens)
    for (const LocalAddress& a : local) {
      if (e.addr != a.addr && !e.addr.is_unspecified()) continue;
      const EndpointKey key{.addr = a.addr.b, .port = htons(e.port), .zero = 0};
      if (::bpf_map_update_elem(map, &key, &yes, BPF_ANY) != 0)
        return std::unexpected(attach_error(errno, "naming an endpoint to the BPF program"));
    }
  return {};
}

XdpReceive::XdpReceive(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
XdpReceive::~XdpReceive() = default;

std::expected<std::unique_ptr<XdpReceive>, IoError> XdpReceive::attach(const XdpOptions& options) {
  auto local = find_addresses(options);
  if (!local) return std::unexpected(local.error());
  auto impl = std::make_unique<Impl>();
  impl->queues.resize(std::max(options.shards, 1u));
  for (const LocalAddress& a : *local) {
    if (std::ranges::find(impl->interfaces, a.ifindex, &Interface::ifindex) != impl->interfaces.end())
      continue;
    if (auto ok = impl->add_interface(a, options); !ok) return std::unexpected(ok.error());
  }
  if (auto ok = impl->add_endpoints(*local, options); !ok) return std::unexpected(ok.error());
  return std::unique_ptr<XdpReceive>(new XdpReceive(std::move(impl)));
}

std::span<const std::unique_ptr<XdpQueue>> XdpReceive::queues(uint32_t shard) const {
  return impl_->queues.at(shard);
}

std::string XdpReceive::describe() const {
  std::string where;
  for (const Interface& i : impl_->interfaces)
    where += fmt::format("{}{} ({} queue{}, {})", where.empty() ? "" : ", ", i.name, i.queue_of.size(),
                         i.queue_of.size() == 1 ? "" : "s", i.zero_copy ? "zero-copy" : "copied");
  return fmt::format("receive: frames by AF_XDP on {}; past the host's input filter", where);
}

}  // namespace sluice::io
