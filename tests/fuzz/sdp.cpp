// Any bytes as an offer in every role, and as a fragment: no crash, and what we write we can read.
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string_view>

#include "net/sdp/answer.h"
#include "net/sdp/fragment.h"
#include "net/sdp/negotiate.h"
#include "net/sdp/offer.h"
#include "net/sdp/rewrite.h"

using namespace sluice;
using namespace sluice::sdp;

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

void check_error(const Error& e) {
  require(!e.message.empty() && !e.fix.empty() && e.field.size() < 64 && e.message.size() < 256);
}

LocalTransport local_for(const Negotiation& n) {
  LocalTransport local;
  local.ufrag = "AAAAbbbbCCCCddddEEEEffff";
  local.pwd = "gggghhhhiiiijjjjkkkkllllmmmmnnnn";
  local.fingerprint =
      "sha-256 "
      "E0:E1:E2:E3:E4:E5:E6:E7:E8:E9:EA:EB:EC:ED:EE:EF:F0:F1:F2:F3:F4:F5:F6:F7:F8:F9:FA:FB:FC:FD:FE:FF";
  local.candidates = {Endpoint{Address::v4(192, 0, 2, 9), 3478}};
  local.cname = "c";
  for (const NegotiatedMedia& m : n.media) local.media.push_back({m.index, 7, "s", "t"});
  return local;
}

void check_answer(const Offer& offer, const Negotiation& n) {
  const LocalTransport local = local_for(n);
  const auto answer = parse_offer(write_answer(offer, n, local));
  require(answer.has_value() && answer->media.size() == offer.media.size());
  for (size_t i = 0; i < offer.media.size(); ++i) {
    require(answer->media[i].mid == offer.media[i].mid);
    require(answer->media[i].kind_text == offer.media[i].kind_text);
  }
  for (const Refusal& r : n.refused) require(answer->media[r.index].port == 0);
  for (const NegotiatedMedia& m : n.media) require(answer->media[m.index].port == 3478);
  require(parse_fragment(write_fragment(n, local)).has_value());
}

/// What went through a relay once is understood by whoever understood it before, names no client, and a
/// second time changes nothing.
void check_rewritten(std::string_view text, const std::optional<Offer>& before) {
  const Endpoint relay[] = {{Address::v4(192, 0, 2, 9), 3478},
                            {Address::v6({0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9}), 3478}};
  const auto rewrite = [&](std::string_view t, bool to_client) {
    return to_client ? towards_client(t, relay) : towards_server(t);
  };
  for (const bool to_client : {false, true}) {
    const auto once = rewrite(text, to_client);
    if (!once) {
      check_error(once.error());
      continue;
    }
    require(!once->ufrags.empty());
    require(once->text.size() < text.size() + 32 * 256 + 64 * (text.size() / 3 + 1));
    if (once->text.size() > kOfferBytesMax) continue;
    const auto twice = rewrite(once->text, to_client);
    require(twice && twice->text == once->text && twice->ufrags == once->ufrags);
    const auto after = parse_offer(once->text);
    if (before) require(after && after->media.size() == before->media.size());
    if (!after) continue;
    for (const Media& m : after->media)
      for (const Candidate& c : m.candidates)
        require(to_client && (c.endpoint == relay[0] || c.endpoint == relay[1]));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto fragment = parse_fragment(text); !fragment) check_error(fragment.error());
  const auto offer = parse_offer(text);
  check_rewritten(text, offer ? std::optional(*offer) : std::nullopt);
  if (!offer) {
    check_error(offer.error());
    return 0;
  }
  for (const Role role : {Role::publish, Role::play, Role::agent}) {
    const auto n = negotiate(*offer, {.role = role});
    if (n)
      check_answer(*offer, *n);
    else
      check_error(n.error());
  }
  return 0;
}
