// A network namespace with a pair of interfaces, so that the generator's packets pass by no IP stack of its
// own and its work stays on its own cores. Root only.
//
// The server's end stays in the caller's namespace with the addresses server_address(0..3); everything else
// of 198.18.0.0/15 lies behind it (RFC 2544's range for measurements).
#pragma once

#include <expected>
#include <string>
#include <vector>

#include "net/base/endpoint.h"
#include "net/io/link/path.h"
#include "net/io/socket.h"

namespace sluice::load {

class Veth {
 public:
  static constexpr uint32_t kServerAddresses = 4;
  static constexpr io::link::MacAddress kServerMac{0x02, 0x53, 0x4C, 0, 0, 1};
  static constexpr io::link::MacAddress kOurMac{0x02, 0x53, 0x4C, 0, 0, 2};

  /// Makes both; what is left of an earlier one of that name is removed first. `name`: 1 to 12 of a-z 0-9.
  /// `cores`: where each end's receive work is done (threaded NAPI); empty: where the sender runs.
  static std::expected<Veth, std::string> make(const std::string& name,
                                               const std::vector<unsigned>& server_cores,
                                               const std::vector<unsigned>& our_cores);
  /// One that another process holds.
  static std::expected<Veth, std::string> open(const std::string& name);
  Veth(Veth&&) noexcept = default;
  Veth& operator=(Veth&&) = delete;
  ~Veth();

  int netns() const { return netns_.get(); }
  std::string interface() const { return name_ + "-g"; }
  static Address server_address(uint32_t k);
  /// What to do with it, lines for people.
  std::string explain() const;

 private:
  Veth(std::string name, io::Fd netns, bool owned)
      : name_(std::move(name)), netns_(std::move(netns)), owned_(owned) {}
  std::string name_;
  io::Fd netns_;
  bool owned_;
};

struct VethCommand {
  std::string name = "sluice0";
  std::vector<unsigned> server_cores, our_cores;
  double seconds = 3600;
};
/// `sluice load veth`: holds a pair until its time is over or a signal comes. Exit status.
int run_veth(const VethCommand& command);

}  // namespace sluice::load
