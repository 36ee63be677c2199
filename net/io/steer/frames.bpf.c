// SPDX-License-Identifier: Dual BSD/GPL
// Runs once for each frame that an interface receives, before the kernel's stack: a UDP datagram that is ours,
// and came by a queue of the shard that it belongs to, goes to that queue's AF_XDP socket. Everything else, and
// whatever finds no such socket, goes on into the stack as if this program were not there.
// clang-format off: the helpers need the types that come first
#include <stddef.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "net/io/steer/flows.bpf.h"
#include "net/io/steer/grant.bpf.h"
// clang-format on

#define MAX_QUEUES 64
#define MAX_ENDPOINTS 1024
#define FRAGMENT 0x3fff  // more fragments, or an offset

const volatile __u32 shards = 1;  // queue q is shard q % shards'

// Where the process listens; port in network order. As struct EndpointKey of receive.cpp.
struct endpoint {
  __u32 addr[4];
  __be16 port;
  __u16 zero;
};
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, MAX_ENDPOINTS);
  __type(key, struct endpoint);
  __type(value, __u8);
} endpoints SEC(".maps");

// Of this interface.
struct {
  __uint(type, BPF_MAP_TYPE_XSKMAP);
  __uint(max_entries, MAX_QUEUES);
  __type(key, __u32);
  __type(value, __u32);
} queues SEC(".maps");

struct addresses {
  __u32 from[4];
  __u32 to[4];
};

static __always_inline void mapped(__u32* a, __be32 v4) {
  a[0] = 0;
  a[1] = 0;
  a[2] = bpf_htonl(0xffff);
  a[3] = v4;
}

// The UDP header, or none: not UDP, in pieces, or with what the stack knows better.
static __always_inline struct udphdr* find_udp(void* at, void* end, struct addresses* a) {
  struct ethhdr* eth = at;
  if ((void*)(eth + 1) > end) return NULL;
  if (eth->h_proto == bpf_htons(ETH_P_IP)) {
    struct iphdr* ip = (void*)(eth + 1);
    if ((void*)(ip + 1) > end || ip->version != 4 || ip->ihl != 5 || ip->protocol != IPPROTO_UDP) return NULL;
    if (ip->frag_off & bpf_htons(FRAGMENT)) return NULL;
    mapped(a->from, ip->saddr);
    mapped(a->to, ip->daddr);
    return (void*)(ip + 1);
  }
  if (eth->h_proto != bpf_htons(ETH_P_IPV6)) return NULL;
  struct ipv6hdr* ip = (void*)(eth + 1);
  if ((void*)(ip + 1) > end || ip->nexthdr != IPPROTO_UDP) return NULL;
  __builtin_memcpy(a->from, &ip->saddr, 16);
  __builtin_memcpy(a->to, &ip->daddr, 16);
  return (void*)(ip + 1);
}

static __always_inline int is_listening(const struct addresses* a, const struct udphdr* udp, __u32 shard) {
  struct endpoint to = {.addr = {a->to[0], a->to[1], a->to[2], a->to[3]}, .port = udp->dest};
  if (!bpf_map_lookup_elem(&endpoints, &to)) return 0;
  if (shards == 1) return 1;
  struct flow_key key = {.port = udp->source, .local_port = udp->dest};
  __builtin_memcpy(key.addr, a->from, 16);
  __u32* steered = bpf_map_lookup_elem(&flows, &key);
  return !steered || *steered == shard;
}

SEC("xdp")
int take_frames(struct xdp_md* ctx) {
  void* end = (void*)(long)ctx->data_end;
  struct addresses a = {};
  struct udphdr* udp = find_udp((void*)(long)ctx->data, end, &a);
  if (!udp || (void*)(udp + 1) > end) return XDP_PASS;
  __u32 queue = ctx->rx_queue_index;
  __u32 shard = shards > 1 ? queue % shards : 0;
  if (owner_of(a.to, bpf_ntohs(udp->dest)) != shard + 1 && !is_listening(&a, udp, shard)) return XDP_PASS;
  return bpf_redirect_map(&queues, queue, XDP_PASS);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
