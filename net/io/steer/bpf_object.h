// What the programs here share: RAII of libbpf's objects, and errors in words.
#pragma once

#include <cerrno>
#include <cstring>
#include <memory>
#include <string_view>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>

#include "net/io/backend.h"

namespace sluice::io {

struct CloseBpfObject {
  void operator()(bpf_object* o) const { ::bpf_object__close(o); }
};
using BpfObject = std::unique_ptr<bpf_object, CloseBpfObject>;

struct CloseBpfLink {
  void operator()(bpf_link* l) const { ::bpf_link__destroy(l); }
};
/// A program is attached for as long as this is.
using BpfLink = std::unique_ptr<bpf_link, CloseBpfLink>;

/// `what` is what failed, with `error` as its errno.
inline IoError bpf_error(int error, std::string_view what) {
  if (error == EPERM || error == EACCES)
    return {fmt::format("{} is not permitted", what), "grant CAP_BPF, CAP_NET_ADMIN and CAP_NET_RAW"};
  return {fmt::format("{} fails: {}", what, std::strerror(error)), ""};
}

/// Empty, with errno: the bytes are no object. libbpf's own lines would go to stderr; what matters is in our
/// errors.
inline BpfObject open_bpf_object(const void* bytes, size_t size) {
  ::libbpf_set_print(nullptr);
  return BpfObject(::bpf_object__open_mem(bytes, size, nullptr));
}

inline bpf_map* map_of(const BpfObject& o, const char* name) {
  return ::bpf_object__find_map_by_name(o.get(), name);
}
inline int map_fd(const BpfObject& o, const char* name) { return ::bpf_map__fd(map_of(o, name)); }

}  // namespace sluice::io
