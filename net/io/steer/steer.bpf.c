// SPDX-License-Identifier: Dual BSD/GPL
// Runs once for each datagram that reaches an SO_REUSEPORT group: the flow map names the shard, its socket
// takes it.
// clang-format off: the helpers need the types that come first
#include <stddef.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "net/io/steer/flows.bpf.h"
// clang-format on

struct {
  __uint(type, BPF_MAP_TYPE_REUSEPORT_SOCKARRAY);
  __uint(max_entries, 1);  // set when it is loaded
  __type(key, __u32);
  __type(value, __u64);
} sockets SEC(".maps");

enum { HITS, MISSES, FAILED, COUNTERS };

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, COUNTERS);
  __type(key, __u32);
  __type(value, __u64);
} counts SEC(".maps");

static __always_inline void count(__u32 which) {
  __u64* n = bpf_map_lookup_elem(&counts, &which);
  if (n) ++*n;
}

static __always_inline int remote_address(struct sk_reuseport_md* md, struct flow_key* key) {
  if (md->eth_protocol == bpf_htons(ETH_P_IP)) {
    key->addr[10] = key->addr[11] = 0xff;
    return bpf_skb_load_bytes_relative(md, 12, key->addr + 12, 4, BPF_HDR_START_NET);
  }
  if (md->eth_protocol == bpf_htons(ETH_P_IPV6))
    return bpf_skb_load_bytes_relative(md, 8, key->addr, 16, BPF_HDR_START_NET);
  return -1;
}

// SK_PASS without a choice leaves it to the kernel's hash, as if this program were not there.
SEC("sk_reuseport")
int steer(struct sk_reuseport_md* md) {
  struct flow_key key = {};
  void* data = md->data;
  void* end = md->data_end;
  __be16* ports = data;  // source and destination lead the UDP header
  if (data + 4 > end || remote_address(md, &key) < 0) return SK_PASS;
  key.port = ports[0];
  key.local_port = ports[1];
  __u32* shard = bpf_map_lookup_elem(&flows, &key);
  if (!shard) {
    count(MISSES);
    return SK_PASS;
  }
  __u32 index = *shard;
  count(bpf_sk_select_reuseport(md, &sockets, &index, 0) == 0 ? HITS : FAILED);
  return SK_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
