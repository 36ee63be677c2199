// Batches of arbitrary, true, damaged and repeated packets to every backend at once: none may crash or read
// behind a packet's end, and all must say the same of each packet. Input: a byte that chooses the profile,
// then items {flags, length of two bytes, bytes}. Flags: bits 0-1 what to do with the bytes (Item), bit 2
// RTCP, bit 3 deliver what has gathered.
#include "net/srtp/srtp.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>
#include <vector>

using namespace sluice;
using namespace sluice::srtp;

namespace {

constexpr size_t kBackends = 3;
constexpr size_t kMaxPackets = 64;
enum class Item : uint8_t { raw, sealed, damaged, repeated };

void must(bool ok) {
  if (!ok) std::abort();
}

struct alignas(kContextAlign) Memory {
  std::array<std::byte, kMaxContextBytes> bytes;
};

std::array<std::unique_ptr<Cipher>, kBackends>& ciphers() {
  static std::array<std::unique_ptr<Cipher>, kBackends> all{
      *Cipher::make(Kind::ipsec_mb), *Cipher::make(Kind::openssl), *Cipher::make(Kind::libsrtp)};
  return all;
}

MasterKey key_for(Profile p) {
  MasterKey k;
  k.profile = p;
  for (size_t i = 0; i < key_bytes(p); ++i) k.key[i] = static_cast<uint8_t>(i + 1);
  for (size_t i = 0; i < salt_bytes(p); ++i) k.salt[i] = static_cast<uint8_t>(0x80 + i);
  return k;
}

struct Arrived {
  std::vector<uint8_t> bytes;
  bool rtcp;
};

class Run {
 public:
  Run(Profile p, size_t backends) : backends_(backends) {
    const MasterKey key = key_for(p);
    for (size_t i = 0; i < backends_; ++i) must(in_[i].open(*ciphers()[i], memory_[i].bytes, key));
    must(out_.open(*ciphers()[1], memory_[kBackends].bytes, key));
  }
  ~Run() {
    for (size_t i = 0; i < backends_; ++i) in_[i].close(*ciphers()[i]);
    out_.close(*ciphers()[1]);
  }

  void item(Item what, bool rtcp, Bytes bytes) {
    std::vector<uint8_t> packet(bytes.begin(), bytes.end());
    if (what == Item::repeated && !batch_.empty()) {
      batch_.push_back(batch_[bytes.size() % batch_.size()]);
      return;
    }
    if (what == Item::sealed || what == Item::damaged) seal(packet, rtcp);
    if (what == Item::damaged && !packet.empty()) packet[bytes.back() % packet.size()] ^= 1;
    batch_.push_back({std::move(packet), rtcp});
  }

  void deliver() {
    std::array<std::vector<RxJob>, kBackends> jobs;
    std::array<std::vector<Arrived>, kBackends> copies;
    for (size_t i = 0; i < backends_; ++i) {
      for (const Arrived& a : batch_) copies[i].push_back({{a.bytes.begin(), a.bytes.end()}, a.rtcp});
      for (Arrived& a : copies[i])
        jobs[i].push_back({.in = &in_[i],
                           .data = a.bytes.data(),
                           .len = static_cast<uint16_t>(a.bytes.size()),
                           .rtcp = a.rtcp});
      unprotect(*ciphers()[i], jobs[i]);
    }
    for (size_t j = 0; j < batch_.size(); ++j)
      for (size_t i = 0; i < backends_; ++i) agree(jobs[0][j], jobs[i][j]);
    batch_.clear();
  }

 private:
  // Makes of the bytes a packet with a true header and protects it; what is too short stays as it is.
  void seal(std::vector<uint8_t>& packet, bool rtcp) {
    const size_t least = rtcp ? 8 : 12;
    if (packet.size() < least) return;
    packet[0] = static_cast<uint8_t>(0x80 | (rtcp ? packet[0] & 0x3f : packet[0] & 0x2f));
    const size_t csrcs = rtcp ? 0 : packet[0] & 0x0fu;
    if (packet.size() < least + 4 * csrcs) packet[0] = 0x80;
    const size_t header = packet.size() < least + 4 * csrcs ? least : least + 4 * csrcs;
    TxJob job{.out = &out_,
              .header_len = static_cast<uint16_t>(header),
              .payload_len = static_cast<uint16_t>(packet.size() - header),
              .rtcp = rtcp};
    packet.resize(packet.size() + overhead_bytes(out_.profile(), rtcp));
    job.dst = packet.data();
    job.payload = packet.data() + header;
    protect(*ciphers()[1], {&job, 1});
    must(job.result != Drop::none || job.out_len == packet.size());
  }

  static void agree(const RxJob& a, const RxJob& b) {
    must(a.result == b.result && a.index == b.index && a.out_len == b.out_len);
    must(a.out_len < a.len || a.result != Drop::none || a.len == 0);
    must(std::equal(a.data, a.data + a.out_len, b.data));
  }

  size_t backends_;
  std::array<Memory, kBackends + 1> memory_;
  std::array<Inbound, kBackends> in_;
  Outbound out_;
  std::vector<Arrived> batch_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Reader r({data, size});
  const uint8_t choice = r.u8();
  const auto run = std::make_unique<Run>(kProfiles[choice % kProfiles.size()],
                                         (choice & 0x10) != 0 ? kBackends - 1 : kBackends);
  for (size_t n = 0; n < kMaxPackets && r.left() != 0; ++n) {
    const uint8_t flags = r.u8();
    const size_t len = std::min<size_t>(r.u16() & 0x7ff, r.left());
    run->item(static_cast<Item>(flags & 3), (flags & 4) != 0, r.take(len));
    if ((flags & 8) != 0) run->deliver();
  }
  run->deliver();
  return 0;
}
