#include "tools/load/frame_wire.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <optional>

#include <fmt/format.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/mman.h>
#include <time.h>

#include "net/wire/headers.h"

namespace sluice::load {
namespace {

constexpr uint32_t kSlotBytes = 2048, kBlockBytes = 1 << 16, kSlots = 16'384;
constexpr size_t kRingBytes = size_t{kSlotBytes} * kSlots;
constexpr uint16_t kFirstPort = 10'000;
constexpr Nanos kAfterError = 10'000'000;
/// Clients (198.18/16) and far sides (198.19/16) of a thread have the same third byte.
constexpr uint32_t kThreadMask = AddressPlan::kMask & ~(kClientNet ^ kServerNet);

std::unexpected<std::string> failed(std::string_view what, int error) {
  return std::unexpected(
      fmt::format("AF_PACKET: {}: {}; it needs root or CAP_NET_RAW", what, std::strerror(error)));
}

Nanos real_ns() {
  timespec t{};
  ::clock_gettime(CLOCK_REALTIME, &t);
  return t.tv_sec * kSecond + t.tv_nsec;
}

/// UDP over IPv4 to this thread's part of both networks.
int attach_filter(int fd, uint32_t base) {
  std::array<sock_filter, 7> code{{
      {BPF_LD | BPF_B | BPF_ABS, 0, 0, ETH_HLEN + 9},
      {BPF_JMP | BPF_JEQ | BPF_K, 0, 4, IPPROTO_UDP},
      {BPF_LD | BPF_W | BPF_ABS, 0, 0, ETH_HLEN + 16},
      {BPF_ALU | BPF_AND | BPF_K, 0, 0, kThreadMask},
      {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, base & kThreadMask},
      {BPF_RET | BPF_K, 0, 0, UINT32_MAX},
      {BPF_RET | BPF_K, 0, 0, 0},
  }};
  const sock_fprog program{code.size(), code.data()};
  return ::setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}

}  // namespace

std::expected<std::unique_ptr<FrameWire>, std::string> FrameWire::open(const FrameWireOptions& options) {
  auto writer = io::link::FrameWriter::open({.gso = false, .sndbuf_bytes = 16u << 20});
  if (!writer) return std::unexpected(writer.error().message);
  std::unique_ptr<FrameWire> w(new FrameWire(options, std::move(*writer)));
  if (auto opened = w->open_ring(); !opened) return std::unexpected(opened.error());
  return w;
}

FrameWire::~FrameWire() {
  if (ring_ != nullptr) ::munmap(ring_, kRingBytes);
}

FrameWire::Result FrameWire::open_ring() {
  const unsigned index = ::if_nametoindex(options_.interface.c_str());
  if (index == 0) return failed(fmt::format("interface {}", options_.interface), errno);
  path_ = {.ifindex = index,
           .source = options_.source,
           .destination = options_.destination,
           .mtu = 1500,
           .hop_limit = 64};
  // Protocol 0: nothing is received before the filter is in place.
  rx_fd_.reset(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
  if (!rx_fd_) return failed("socket", errno);
  const int version = TPACKET_V2;
  if (::setsockopt(rx_fd_.get(), SOL_PACKET, PACKET_VERSION, &version, sizeof version) != 0)
    return failed("PACKET_VERSION", errno);
  const tpacket_req ring{.tp_block_size = kBlockBytes,
                         .tp_block_nr = static_cast<unsigned>(kRingBytes / kBlockBytes),
                         .tp_frame_size = kSlotBytes,
                         .tp_frame_nr = kSlots};
  if (::setsockopt(rx_fd_.get(), SOL_PACKET, PACKET_RX_RING, &ring, sizeof ring) != 0)
    return failed("PACKET_RX_RING", errno);
  void* const at = ::mmap(nullptr, kRingBytes, PROT_READ | PROT_WRITE, MAP_SHARED, rx_fd_.get(), 0);
  if (at == MAP_FAILED) return failed("mmap", errno);
  ring_ = static_cast<uint8_t*>(at);
  if (attach_filter(rx_fd_.get(), options_.clients.base) != 0) return failed("SO_ATTACH_FILTER", errno);
  sockaddr_ll name{};
  name.sll_family = AF_PACKET;
  name.sll_protocol = htons(ETH_P_IP);
  name.sll_ifindex = static_cast<int>(index);
  if (::bind(rx_fd_.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0)
    return failed("bind", errno);
  return {};
}

Endpoint FrameWire::endpoint(Local local) const {
  if (local.kind() == Local::server) return options_.servers[local.index()];
  const uint32_t port = kFirstPort + 2 * (local.index() / AddressPlan::kAddresses);
  return {options_.clients.address(local.index()),
          static_cast<uint16_t>(port + (local.kind() == Local::partner ? 1 : 0))};
}

std::optional<Local> FrameWire::local_of(const Endpoint& e) const {
  if (const auto k = options_.clients.index(e.addr); k && e.port >= kFirstPort) {
    const uint32_t port = e.port - kFirstPort;
    return Local::of((port & 1) != 0 ? Local::partner : Local::client,
                     port / 2 * AddressPlan::kAddresses + *k);
  }
  const auto it = std::ranges::find(options_.servers, e);
  if (it == options_.servers.end()) return std::nullopt;
  return Local::of(Local::server, static_cast<uint32_t>(it - options_.servers.begin()));
}

void FrameWire::send(std::span<TxPacket> packets) {
  for (const TxPacket& p : packets)
    if (!writer_.push(path_, endpoint(p.local), p.remote, {p.data, p.len})) ++counters_.tx_refused;
  const io::link::Flushed f = writer_.flush();
  counters_.tx_packets += f.packets;
  counters_.tx_refused += f.full + writer_.refused().size();
}

void FrameWire::release() {
  for (; held_ > 0; --held_) {
    auto* const header =
        reinterpret_cast<tpacket2_hdr*>(ring_ + size_t{(next_ - held_) % kSlots} * kSlotBytes);
    std::atomic_ref(header->tp_status).store(TP_STATUS_KERNEL, std::memory_order_release);
  }
}

std::span<RxPacket> FrameWire::receive() {
  release();
  have_ = 0;
  Nanos offset = 0;
  while (have_ < kBatch && held_ < 2 * kBatch) {
    uint8_t* const slot = ring_ + size_t{next_ % kSlots} * kSlotBytes;
    auto* const header = reinterpret_cast<tpacket2_hdr*>(slot);
    if ((std::atomic_ref(header->tp_status).load(std::memory_order_acquire) & TP_STATUS_USER) == 0) break;
    // The kernel stamps packets with the wall clock.
    if (held_ == 0) offset = now_ns() - real_ns();
    ++next_;
    ++held_;
    take(slot, offset);
  }
  counters_.rx_packets += have_;
  return {rx_.data(), have_};
}

bool FrameWire::take(uint8_t* slot, Nanos offset) {
  const auto* const header = reinterpret_cast<const tpacket2_hdr*>(slot);
  if (header->tp_snaplen != header->tp_len || header->tp_snaplen < ETH_HLEN + 28) return false;
  uint8_t* const ip = slot + header->tp_mac + ETH_HLEN;
  const size_t ip_len = static_cast<size_t>(ip[0] & 15) * 4;
  const size_t room = header->tp_snaplen - ETH_HLEN;
  const bool fragment = (load_be<uint16_t>(ip + 6) & 0x3FFF) != 0;
  if (fragment || ip_len + wire::kUdpHeader > room) return false;
  const uint8_t* const udp = ip + ip_len;
  const size_t udp_len = load_be<uint16_t>(udp + 4);
  if (udp_len < wire::kUdpHeader || ip_len + udp_len > room) return false;
  const Endpoint to{Address::v4(load_be<uint32_t>(ip + 16)), load_be<uint16_t>(udp + 2)};
  const auto local = local_of(to);
  if (!local) return false;
  rx_[have_++] = {.local = *local,
                  .remote = {Address::v4(load_be<uint32_t>(ip + 12)), load_be<uint16_t>(udp)},
                  .data = {ip + ip_len + wire::kUdpHeader, udp_len - wire::kUdpHeader},
                  .at = Nanos{header->tp_sec} * kSecond + header->tp_nsec + offset};
  return true;
}

void FrameWire::wait(Nanos until) {
  release();
  const Nanos left = until - now_ns();
  if (left <= 0) return;
  pollfd p{.fd = rx_fd_.get(), .events = POLLIN, .revents = 0};
  const timespec span{.tv_sec = left / kSecond, .tv_nsec = left % kSecond};
  if (::ppoll(&p, 1, &span, nullptr) <= 0 || (p.revents & POLLERR) == 0) return;
  // Its interface went away. The error would be there at once again, and whoever never sleeps at a real-time
  // priority lets nobody else on its core end the run.
  int error = 0;
  socklen_t len = sizeof error;
  ::getsockopt(rx_fd_.get(), SOL_SOCKET, SO_ERROR, &error, &len);
  const timespec rest{.tv_sec = 0, .tv_nsec = std::min<Nanos>(left, kAfterError)};
  ::nanosleep(&rest, nullptr);
}

WireCounters FrameWire::counters() {
  tpacket_stats stats{};
  socklen_t len = sizeof stats;
  // Reading resets them.
  if (::getsockopt(rx_fd_.get(), SOL_PACKET, PACKET_STATISTICS, &stats, &len) == 0)
    counters_.rx_dropped += stats.tp_drops;
  return counters_;
}

std::string FrameWire::describe() const {
  return fmt::format("frames by AF_PACKET on {}, {} source addresses", options_.interface,
                     AddressPlan::kAddresses);
}

}  // namespace sluice::load
