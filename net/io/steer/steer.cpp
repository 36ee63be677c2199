#include "net/io/steer/steer.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "net/io/steer/bpf_object.h"
#include "net/io/steer/steer_object.h"

namespace sluice::io {
namespace {

/// As struct flow_key in flows.bpf.h.
struct FlowKey {
  std::array<uint8_t, 16> addr;
  uint16_t port;  // network order
  uint16_t local_port;
};
static_assert(sizeof(FlowKey) == 20);

FlowKey key_of(const Endpoint& remote, uint16_t local_port) {
  return {.addr = remote.addr.b, .port = htons(remote.port), .local_port = htons(local_port)};
}

IoError steer_error(int error, std::string_view what) {
  if (error == EPERM || error == EACCES)
    return {"steering: loading a BPF program is not permitted; the kernel's own hash stays in force",
            "grant CAP_BPF and CAP_NET_ADMIN"};
  return {fmt::format("steering: {}: {}; the kernel's own hash stays in force", what, std::strerror(error)),
          ""};
}

/// One group's program. The flow map and the counters are those of the first group.
struct Group {
  BpfObject object;
  int member = -1;  // any socket of the group

  std::expected<void, IoError> load(uint32_t shards, uint32_t entries, const Group* first);
  std::expected<void, IoError> attach(const std::vector<int>& sockets);
  void detach() const { ::setsockopt(member, SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, &member, sizeof member); }
};

std::expected<void, IoError> Group::load(uint32_t shards, uint32_t entries, const Group* first) {
  object = open_bpf_object(kSteerObject, sizeof kSteerObject);
  if (!object) return std::unexpected(steer_error(errno, "the BPF object cannot be read"));
  bpf_map* flows = map_of(object, "flows");
  ::bpf_map__set_max_entries(flows, entries);
  ::bpf_map__set_max_entries(map_of(object, "sockets"), shards);
  if (first) {
    bpf_map* counts = map_of(object, "counts");
    if (::bpf_map__reuse_fd(flows, map_fd(first->object, "flows")) != 0 ||
        ::bpf_map__reuse_fd(counts, map_fd(first->object, "counts")) != 0)
      return std::unexpected(steer_error(errno, "the groups cannot share a map"));
  }
  if (const int r = ::bpf_object__load(object.get()); r != 0)
    return std::unexpected(steer_error(-r, "the kernel refuses the BPF program"));
  return {};
}

std::expected<void, IoError> Group::attach(const std::vector<int>& sockets) {
  const int array = map_fd(object, "sockets");
  for (uint32_t shard = 0; shard < sockets.size(); ++shard) {
    const auto fd = static_cast<uint64_t>(sockets[shard]);
    if (::bpf_map_update_elem(array, &shard, &fd, BPF_ANY) != 0)
      return std::unexpected(steer_error(errno, "a socket cannot be named to the BPF program"));
  }
  const int program = ::bpf_program__fd(::bpf_object__find_program_by_name(object.get(), "steer"));
  if (::setsockopt(sockets[0], SOL_SOCKET, SO_ATTACH_REUSEPORT_EBPF, &program, sizeof program) != 0)
    return std::unexpected(steer_error(errno, "the BPF program cannot be attached"));
  member = sockets[0];
  return {};
}

}  // namespace

struct Steering::Impl {
  std::vector<Group> groups;
  uint32_t shards = 0;
  int flows = -1;
  int counts = -1;

  ~Impl() {
    for (const Group& g : groups)
      if (g.member >= 0) g.detach();
  }
};

Steering::Steering(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Steering::Steering(Steering&&) noexcept = default;
Steering& Steering::operator=(Steering&&) noexcept = default;
Steering::~Steering() = default;

std::expected<Steering, IoError> Steering::attach(const ListenSockets& sockets, uint32_t entries) {
  if (sockets.shards() < 2) return std::unexpected(IoError{"steering: one shard only, nothing to steer", ""});
  if (entries == 0 || entries > kSteeringEntriesMax)
    return std::unexpected(
        IoError{fmt::format("steering: {} entries; 1 to {} are possible", entries, kSteeringEntriesMax), ""});
  auto impl = std::make_unique<Impl>();
  impl->shards = sockets.shards();
  impl->groups.reserve(sockets.bound().size());
  for (size_t i = 0; i < sockets.bound().size(); ++i) {
    Group& g = impl->groups.emplace_back();
    if (auto ok = g.load(impl->shards, entries, i == 0 ? nullptr : &impl->groups[0]); !ok)
      return std::unexpected(ok.error());
    if (auto ok = g.attach(sockets.group(i)); !ok) return std::unexpected(ok.error());
  }
  impl->flows = map_fd(impl->groups[0].object, "flows");
  impl->counts = map_fd(impl->groups[0].object, "counts");
  return Steering(std::move(impl));
}

bool Steering::set(const Endpoint& remote, uint16_t local_port, ShardId shard) {
  if (shard.v >= impl_->shards) return false;
  const FlowKey key = key_of(remote, local_port);
  const uint32_t value = shard.v;
  return ::bpf_map_update_elem(impl_->flows, &key, &value, BPF_ANY) == 0;
}

bool Steering::erase(const Endpoint& remote, uint16_t local_port) {
  const FlowKey key = key_of(remote, local_port);
  return ::bpf_map_delete_elem(impl_->flows, &key) == 0;
}

int Steering::flows_map() const { return impl_->flows; }

SteeringCounters Steering::counters() const {
  const int cpus = ::libbpf_num_possible_cpus();
  std::array<uint64_t, 3> sums{};
  std::vector<uint64_t> per_cpu(static_cast<size_t>(cpus > 0 ? cpus : 1));
  for (uint32_t which = 0; which < sums.size(); ++which) {
    if (::bpf_map_lookup_elem(impl_->counts, &which, per_cpu.data()) != 0) continue;
    for (const uint64_t n : per_cpu) sums[which] += n;
  }
  return {.hits = sums[0], .misses = sums[1], .failed = sums[2]};
}

}  // namespace sluice::io
