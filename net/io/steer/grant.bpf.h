// SPDX-License-Identifier: Dual BSD/GPL
// Relay ports as programs here see them: what is granted, and who has each port open.
#pragma once

#define MAX_ADDRESSES 16
#define BLOCK_PORTS 64

// Set before it is loaded; as struct Grant of grant.h. IPv4 is ::ffff:a.b.c.d.
struct grant {
  __u32 addresses;
  __u32 lo;  // a multiple of BLOCK_PORTS
  __u32 hi;
  __u32 blocks;  // of each address
  __u32 address[MAX_ADDRESSES][4];
};
const volatile struct grant grant = {};

// For each block of ports, address by address: who has each port open, as 1 + shard. The shards write here
// through shared memory.
struct block {
  __u8 owner[BLOCK_PORTS];
};
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1);  // set when it is loaded
  __type(key, __u32);
  __type(value, struct block);
} blocks SEC(".maps");

static __always_inline int is_at(__u32 i, const __u32* a) {
  return grant.address[i][3] == a[3] && grant.address[i][0] == a[0] && grant.address[i][1] == a[1] &&
         grant.address[i][2] == a[2];
}

// 1 + the shard that has `port` open on address `a`; 0: nobody, or no relay port.
static __always_inline __u32 owner_of(const __u32* a, __u32 port) {
  if (port < grant.lo || port > grant.hi) return 0;
  __u32 i = 0;
  for (; i < MAX_ADDRESSES; ++i) {
    if (i >= grant.addresses) return 0;
    if (is_at(i, a)) break;
  }
  __u32 at = i * grant.blocks + (port - grant.lo) / BLOCK_PORTS;
  struct block* block = bpf_map_lookup_elem(&blocks, &at);
  return block ? block->owner[port % BLOCK_PORTS] : 0;
}
