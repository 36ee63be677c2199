// SPDX-License-Identifier: Dual BSD/GPL
// Which shard a client's datagrams go to, where the kernel's hash would say another.
#pragma once

// As struct FlowKey of steer.cpp. IPv4 is ::ffff:a.b.c.d; ports in network order.
struct flow_key {
  __u8 addr[16];
  __be16 port;
  __be16 local_port;
};

struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 1);  // set when it is loaded
  __type(key, struct flow_key);
  __type(value, __u32);
} flows SEC(".maps");
