// A batch of any mixture gives what single calls would have given, byte for byte, in every backend.
#include <algorithm>

#include "tests/unit/srtp/oracle.h"

using namespace srtp_test;

namespace {

struct Arrival {
  size_t session;
  Packet wire;
  bool rtcp;
};

struct Outcome {
  Drop result;
  uint64_t index;
  Packet plain;
  bool operator==(const Outcome&) const = default;
};

/// Sessions of all profiles; streams that begin inside a batch, roll over, jump and are reordered; copies,
/// damaged ones too, close behind their originals.
class Traffic {
 public:
  Traffic(uint64_t salt, size_t sessions) : random_(salt) {
    for (size_t i = 0; i < sessions; ++i) {
      keys_.push_back(random_key(kProfiles[i % kProfiles.size()], random_));
      senders_.push_back(std::make_unique<Peer>(*cipher_, keys_.back()));
      for (uint16_t& s : seq_.emplace_back())
        s = static_cast<uint16_t>(random_.chance(50) ? 65536 - random_.below(6) : random_.below(65536));
    }
  }
  const std::vector<MasterKey>& keys() const { return keys_; }

  std::vector<Arrival> batch(size_t n) {
    std::vector<Arrival> all;
    while (all.size() < n) {
      const size_t session = random_.below(keys_.size());
      if (!all.empty() && random_.chance(25)) {
        Arrival copy = all[all.size() - 1 - random_.below(std::min<size_t>(all.size(), 20))];
        if (random_.chance(50)) copy.wire[random_.below(copy.wire.size())] ^= 0x10;
        all.push_back(std::move(copy));
      } else {
        all.push_back(fresh(session));
      }
    }
    for (size_t i = 1; i < n; ++i)
      if (random_.chance(30)) std::swap(all[i], all[i - 1 - random_.below(std::min<size_t>(i, 6))]);
    return all;
  }

 private:
  Arrival fresh(size_t session) {
    const bool rtcp = random_.chance(15);
    const size_t stream = random_.below(5);
    const auto ssrc = static_cast<uint32_t>(100 + stream);
    uint16_t& seq = seq_[session][stream];
    if (random_.chance(2)) seq = static_cast<uint16_t>(seq + random_.below(40000));
    const Plain p = rtcp ? rtcp_compound(random_, ssrc, random_.below(50)) : random_rtp(random_, ssrc, seq++);
    Packet wire = senders_[session]->protect(p.bytes, rtcp, p.header_len);
    if (wire.empty()) wire = p.bytes;
    return {session, std::move(wire), rtcp};
  }

  Random random_;
  std::unique_ptr<Cipher> cipher_ = make_cipher(Kind::openssl);
  std::vector<MasterKey> keys_;
  std::vector<std::unique_ptr<Peer>> senders_;
  std::vector<std::array<uint16_t, 5>> seq_;
};

class Server {
 public:
  Server(Kind kind, const std::vector<MasterKey>& keys) : cipher_(make_cipher(kind)) {
    for (const MasterKey& k : keys) sessions_.push_back(std::make_unique<Peer>(*cipher_, k));
  }

  std::vector<Outcome> receive(std::vector<Arrival> arrivals, size_t per_call) {
    std::vector<RxJob> jobs;
    for (Arrival& a : arrivals)
      jobs.push_back({.in = &sessions_[a.session]->in,
                      .data = a.wire.data(),
                      .len = static_cast<uint16_t>(a.wire.size()),
                      .rtcp = a.rtcp});
    const std::span<RxJob> all(jobs);
    for (size_t at = 0; at < all.size(); at += per_call)
      unprotect(*cipher_, all.subspan(at, std::min(per_call, all.size() - at)));
    std::vector<Outcome> out;
    for (const RxJob& j : jobs) out.push_back({j.result, j.index, Packet(j.data, j.data + j.out_len)});
    return out;
  }

 private:
  std::unique_ptr<Cipher> cipher_;
  std::vector<std::unique_ptr<Peer>> sessions_;
};

}  // namespace

TEST_CASE("a batch is received as its packets one by one would be, whatever the backend") {
  CAPTURE(seed());
  for (uint64_t round = 0; round < 12; ++round) {
    CAPTURE(round);
    Traffic traffic(400 + round, 1 + round);
    Server one_by_one(Kind::openssl, traffic.keys());
    std::vector<std::unique_ptr<Server>> servers;
    for (const Kind kind : kOwnKinds) servers.push_back(std::make_unique<Server>(kind, traffic.keys()));
    if (round % 4 == 1) servers.push_back(std::make_unique<Server>(Kind::libsrtp, traffic.keys()));
    for (int b = 0; b < 6; ++b) {
      const auto arrivals = traffic.batch(64);
      const auto expected = one_by_one.receive(arrivals, 1);
      for (const auto& server : servers) {
        const auto got = server->receive(arrivals, 64);
        for (size_t i = 0; i < expected.size(); ++i) {
          CAPTURE(i);
          REQUIRE(name_of(got[i].result) == name_of(expected[i].result));
          REQUIRE(got[i] == expected[i]);
        }
      }
    }
  }
}

TEST_CASE("copies inside one batch are delivered once, even of a stream's first packet") {
  for_each_suite(50, [](Cipher& cipher, const MasterKey& key, Random& random) {
    for (const bool rtcp : {false, true}) {
      Peer peer(cipher, key);
      const Plain p = rtcp ? rtcp_compound(random, 1, 4) : random_rtp(random, 1, 500);
      const Packet wire = peer.protect(p.bytes, rtcp, p.header_len);
      std::vector<Packet> copies(40, wire);
      std::vector<RxJob> jobs;
      for (Packet& c : copies)
        jobs.push_back(
            {.in = &peer.in, .data = c.data(), .len = static_cast<uint16_t>(c.size()), .rtcp = rtcp});
      unprotect(cipher, jobs);
      CHECK(jobs[0].result == Drop::none);
      CHECK(std::ranges::count(jobs, Drop::srtp_replay, &RxJob::result) == 39);
      CHECK(hex(Bytes(copies[0]).first(jobs[0].out_len)) == hex(p.bytes));
    }
  });
}

TEST_CASE("a stream may begin and roll over inside one batch") {
  for_each_suite(51, [](Cipher& cipher, const MasterKey& key, Random& random) {
    Peer peer(cipher, key);
    std::vector<Packet> wires;
    std::vector<RxJob> jobs;
    for (uint16_t i = 0; i < 30; ++i) {
      const Plain p = random_rtp(random, 1, static_cast<uint16_t>(65533 + i));
      wires.push_back(peer.protect(p.bytes, false, p.header_len));
    }
    for (Packet& w : wires)
      jobs.push_back({.in = &peer.in, .data = w.data(), .len = static_cast<uint16_t>(w.size())});
    unprotect(cipher, jobs);
    for (size_t i = 0; i < jobs.size(); ++i) {
      CHECK(jobs[i].result == Drop::none);
      CHECK(jobs[i].index == 65533 + i);
    }
  });
}

TEST_CASE("a payload is read from where it is and nothing is written behind the tag") {
  for_each_suite(52, [](Cipher& cipher, const MasterKey& key, Random& random) {
    Peer in_place(cipher, key), elsewhere(cipher, key);
    for (int round = 0; round < 4; ++round) {
      constexpr size_t kJobs = 20;
      std::vector<Plain> plains;
      std::vector<Packet> expected, payloads, buffers;
      std::vector<TxJob> jobs;
      for (size_t i = 0; i < kJobs; ++i) {
        const bool rtcp = i % 7 == 3;
        const auto seq = static_cast<uint16_t>(65530 + round * int{kJobs} + int(i));
        plains.push_back(rtcp ? rtcp_compound(random, 5, 8) : random_rtp(random, 5, seq));
        const Plain& p = plains.back();
        expected.push_back(in_place.protect(p.bytes, rtcp, p.header_len));
        payloads.emplace_back(p.bytes.begin() + static_cast<long>(p.header_len), p.bytes.end());
        Packet buffer(p.bytes.size() + kMaxOverhead + 8, 0xa5);
        std::copy_n(p.bytes.begin(), p.header_len, buffer.begin());
        buffers.push_back(std::move(buffer));
      }
      for (size_t i = 0; i < kJobs; ++i)
        jobs.push_back({.out = &elsewhere.out,
                        .dst = buffers[i].data(),
                        .header_len = static_cast<uint16_t>(plains[i].header_len),
                        .payload = payloads[i].data(),
                        .payload_len = static_cast<uint16_t>(payloads[i].size()),
                        .rtcp = i % 7 == 3});
      const auto untouched = payloads;
      protect(cipher, jobs);
      CHECK(payloads == untouched);
      for (size_t i = 0; i < kJobs; ++i) {
        REQUIRE(jobs[i].result == Drop::none);
        REQUIRE(hex(Bytes(buffers[i]).first(jobs[i].out_len)) == hex(expected[i]));
        CHECK(std::all_of(buffers[i].begin() + jobs[i].out_len, buffers[i].end(),
                          [](uint8_t b) { return b == 0xa5; }));
      }
    }
  });
}

TEST_CASE("a header of impossible length is refused and costs no index") {
  const auto cipher = make_cipher(Kind::automatic);
  Random random(53);
  Peer peer(*cipher, random_key(Profile::aead_aes_128_gcm, random));
  Packet buffer(100);
  const auto result = [&](uint16_t header_len, uint16_t payload_len, bool rtcp) {
    TxJob job{.out = &peer.out,
              .dst = buffer.data(),
              .header_len = header_len,
              .payload = buffer.data() + header_len,
              .payload_len = payload_len,
              .rtcp = rtcp};
    protect(*cipher, {&job, 1});
    CHECK(job.out_len == 0);
    return job.result;
  };
  CHECK(result(11, 10, false) == Drop::rtp_malformed);
  CHECK(result(12, 65520, false) == Drop::rtp_malformed);
  CHECK(result(12, 10, true) == Drop::rtcp_malformed);
  CHECK(result(4, 10, true) == Drop::rtcp_malformed);
  CHECK(peer.out.packets() == 0);
}
