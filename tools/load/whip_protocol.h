// Whole WebRTC clients: WHIP publishers with WHEP players, or callers of an agent. ICE, DTLS, SRTP.
#pragma once

#include <memory>
#include <vector>

#include "net/srtp/cipher.h"
#include "net/srtp/srtp.h"
#include "tools/client/dtls.h"
#include "tools/client/offer.h"
#include "tools/load/http_client.h"
#include "tools/load/protocol.h"
#include "tools/load/transactions.h"

namespace sluice::load {

/// With players: sessions come in groups of a publisher and its players, session numbers in a row.
class WhipProtocol final : public Protocol {
 public:
  /// Throws std::runtime_error if the ciphers cannot be had.
  explicit WhipProtocol(const Bench& bench);
  ~WhipProtocol() override;

  void open(uint32_t s, Nanos now) override;
  void on_timer(uint32_t s, Nanos now) override;
  void close(uint32_t s) override;
  size_t seal(std::span<TxPacket> packets) override;
  void unwrap(std::span<RxPacket> packets, Nanos now) override;
  void poll(Nanos now) override;

 private:
  struct alignas(srtp::kContextAlign) Context {
    std::array<std::byte, srtp::kMaxContextBytes> b;
  };
  struct Media {
    Context in_context, out_context;
    srtp::Inbound in;
    srtp::Outbound out;
  };
  enum class Step : uint8_t { signalling, checking, handshaking, up };
  struct Call {
    Step step = Step::signalling;
    Transaction check;
    Nanos answered = 0, check_due = 0;
    Nanos posted = 0;
    bool heard = false;  ///< media came
    client::IceCredentials local, remote;
    std::string location;
    std::unique_ptr<client::Client> dtls;
    std::unique_ptr<Media> media;
  };

  void on_control(RxPacket& p, Nanos now) override;
  void on_http(HttpAnswer& answer, Nanos now);
  void post(uint32_t s, Nanos now);
  void send_check(uint32_t s, Nanos now);
  void pump_dtls(uint32_t s, Nanos now);
  bool open_srtp(Call& c) const;
  void schedule(uint32_t s, Nanos now);
  uint32_t group() const { return bench_.options.whip.agent.empty() ? 1 + bench_.options.whip.players : 1; }
  bool publishes(uint32_t s) const { return s % group() == 0; }

  std::unique_ptr<srtp::Cipher> cipher_;
  std::vector<Call> calls_;
  std::unique_ptr<HttpClient> http_;
};

}  // namespace sluice::load
