// SPDX-License-Identifier: Dual BSD/GPL
// Runs once for each UDP datagram to this network namespace that no connected socket takes: an open relay
// port leads to the socket of its shard. Everything else is looked up as if this program were not there.
// clang-format off: the helpers need the types that come first
#include <stddef.h>
#include <linux/bpf.h>
#include <linux/in.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "net/io/steer/grant.bpf.h"
// clang-format on

#define FAMILY_IPV6 10  // AF_INET6, whose header is not to be had here

// 2 * shard: its IPv4 socket; 2 * shard + 1: its IPv6 socket.
struct {
  __uint(type, BPF_MAP_TYPE_SOCKMAP);
  __uint(max_entries, 1);  // set when it is loaded
  __type(key, __u32);
  __type(value, __u64);
} sockets SEC(".maps");

SEC("sk_lookup")
int relay_ports(struct bpf_sk_lookup* ctx) {
  __u32 port = ctx->local_port;
  if (ctx->protocol != IPPROTO_UDP || port < grant.lo || port > grant.hi) return SK_PASS;
  int ipv6 = ctx->family == FAMILY_IPV6;
  __u32 a[4] = {0, 0, bpf_htonl(0xffff), ctx->local_ip4};
  barrier();  // else one load from either of two fields is made of this, which the verifier refuses
  if (ipv6) {
    a[0] = ctx->local_ip6[0];
    a[1] = ctx->local_ip6[1];
    a[2] = ctx->local_ip6[2];
    a[3] = ctx->local_ip6[3];
  }
  __u32 owner = owner_of(a, port);
  if (owner == 0) return SK_PASS;
  __u32 socket = 2 * (owner - 1) + ipv6;
  struct bpf_sock* sk = bpf_map_lookup_elem(&sockets, &socket);
  if (!sk) return SK_PASS;
  bpf_sk_assign(ctx, sk, 0);
  bpf_sk_release(sk);
  return SK_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
