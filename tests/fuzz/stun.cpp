// STUN messages as they come from the wire, and as the attributes of an otherwise authentic check, since no
// fuzzer finds a valid HMAC.
#include <cstdlib>
#include <vector>

#include "net/crypto/random.h"
#include "net/ice/lite_agent.h"
#include "net/ice/shard_keys.h"

using namespace sluice;

namespace {

constexpr ice::ExpiryUnit kNow = 1000;

void require(bool promise) {
  if (!promise) std::abort();
}

bool inside(Bytes part, Bytes whole) {
  return part.empty() ||
         (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

const ice::Keys& keys() {
  static const ice::ShardKeys k = [] {
    ice::ShardKeys made;
    made.add_route_key(1, std::array<uint8_t, 16>{1});
    made.add_ice_key(1, ice::IceKey{2});
    return made;
  }();
  return k.keys();
}

void read_everything(const stun::View& v) {
  size_t count = 0;
  v.for_each([&](const stun::RawAttribute& a) {
    require(inside(a.value, v.datagram()));
    ++count;
  });
  require(count <= stun::kMaxAttributes);
  for (auto a : {stun::Attr::priority, stun::Attr::ice_controlled, stun::Attr::xor_mapped_address,
                 stun::Attr::mapped_address, stun::Attr::software}) {
    (void)v.u32(a);
    (void)v.u64(a);
    (void)v.xor_address(a);
    (void)v.plain_address(a);
  }
  if (const auto name = v.username()) require(name->size() <= 508);
  if (const auto error = v.error_code()) require(error->code >= 300 && error->code <= 699);
  std::array<uint16_t, 4> few;
  std::array<uint16_t, stun::kMaxAttributes> many;
  require(v.unknown_required(few) <= few.size());
  require(v.unknown_attributes(few) <= few.size());
  (void)v.unknown_required(many);
  (void)v.fingerprint_ok();
  for (auto which : {stun::Integrity::none, stun::Integrity::sha1, stun::Integrity::sha256})
    (void)v.integrity_ok(which, crypto::kPrimitives, as_bytes("VOkJxbRl1RmTxUk/WvJxBt"));
  (void)ice::check_response(v, crypto::kPrimitives, "VOkJxbRl1RmTxUk/WvJxBt");
}

void answer(const ice::CheckedRequest& rq) {
  std::array<uint8_t, ice::kMaxMessageBytes> memory;
  const Endpoint remote{Address::v4(192, 0, 2, 1), 1};
  const size_t n = rq.error != 0 ? ice::write_error(memory, rq, crypto::kPrimitives)
                                 : ice::write_success(memory, rq, remote, crypto::kPrimitives);
  const auto reply = stun::View::parse(Bytes(memory).first(n));
  require(reply && reply->fingerprint_ok() && reply->integrity_ok(crypto::kPrimitives, rq.password.bytes()));
  require(n <= size_t{rq.bytes} * ice::kAmplificationLimit);
  if (rq.error != 0) return;

  crypto::StreamRandom random(uint64_t{1});
  ice::LiteAgent agent(rq.ufrag.ice_generation, rq.remote_ufrag.size());
  const ice::PathAddress from{.remote = remote, .local = {}, .ifindex = 0};
  const auto actions = agent.check(rq, from, random.view(), seconds(1));
  require(actions.respond && actions.first_check);
  require(agent.check(rq, {}, random.view(), seconds(1)).drop == Drop::stun_replayed);
}

void as_authentic_check(Bytes attributes) {
  static const ice::Ufrag ufrag = keys().routes.mint({.expiry = kNow + 1}, 1);
  static const ice::Password password = keys().password_of(1, ice::text(ufrag));
  std::vector<uint8_t> memory(attributes.size() + 256);
  stun::Builder b(memory, stun::Class::request, stun::Method::binding, {});
  b.username(ice::text(ufrag), "remote");
  const size_t head = b.size();
  // The attributes go in raw; an attribute of the builder puts the length right, and is then overwritten.
  if (attributes.size() < 4 || attributes.size() % 4 != 0) return;
  b.attribute(stun::Attr::software, attributes.subspan(4));
  std::copy(attributes.begin(), attributes.end(), memory.begin() + static_cast<ptrdiff_t>(head));
  b.integrity(attributes[0] % 2 == 0 ? stun::Integrity::sha1 : stun::Integrity::sha256, crypto::kPrimitives,
              password.bytes());
  b.fingerprint();
  const auto rq = ice::check_request(b.message(), keys(), kNow);
  if (rq) answer(*rq);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const Bytes input(data, size);
  if (const auto v = stun::View::parse(input)) {
    read_everything(*v);
    (void)ice::check_request(*v, keys(), kNow, ice::Expiry::report);
  }
  as_authentic_check(input);
  return 0;
}
