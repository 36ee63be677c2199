#include "net/io/uring/port_receives.h"

#include <cerrno>

#include <poll.h>
#include <unistd.h>

namespace sluice::io {

using Op = RequestTag::Op;

void PortReceives::grant(uint32_t files) {
  progress_.resize(ports_.space().size());
  to_arm_.reserve(ports_.space().size());
  free_files_.reserve(files);
  for (uint32_t i = files; i-- > 0;) free_files_.push_back(kFirstPortFile + i);
}

bool PortReceives::open(uint32_t index, bool keep_fd) {
  if (free_files_.empty()) return false;
  Fd fd = bind_relay_socket(ports_.space().at(index));
  if (!fd) return false;
  const uint32_t file = free_files_.back();
  if (!rx_.set_file(file, fd.get())) return false;
  if (!tx_.set_file(file, fd.get())) {
    rx_.set_file(file, -1);
    return false;
  }
  free_files_.pop_back();
  PortSocket& p = ports_[index];
  p.file = static_cast<int>(file);
  p.dropped = 0;
  if (keep_fd) p.fd = fd.release();
  list(index);
  return true;
}

void PortReceives::close(uint32_t index, bool started) {
  PortSocket& p = ports_[index];
  Progress& progress = progress_[index];
  if (started && progress.state != State::idle) {
    request_cancel(index);
    // What is in progress holds the socket, and so the port, until the kernel is entered once more.
    ::io_uring_submit_and_get_events(rx_.get());
  }
  progress.state = State::idle;
  progress.readable = false;
  const auto file = static_cast<uint32_t>(p.file);
  rx_.set_file(file, -1);
  tx_.set_file(file, -1);
  free_files_.push_back(file);
  if (p.fd >= 0) ::close(p.fd);
  p = {.mark = p.mark + 1};
}

void PortReceives::request_cancel(uint32_t index) {
  const State state = progress_[index].state;
  const Op op = state == State::receiving ? Op::port_receive
                : state == State::polling ? Op::port_poll
                                          : Op::port_discard;
  if (io_uring_sqe* sqe = request()) {
    ::io_uring_prep_cancel64(sqe, tag(op, index).packed(), 0);
    ::io_uring_sqe_set_data64(sqe, RequestTag{}.packed());
  }
}

/// One by one: to cancel whatever there is the kernel goes through all of it for each, which takes seconds
/// for tens of thousands.
void PortReceives::cancel_all() {
  for (uint32_t i = 0; i < progress_.size(); ++i) {
    if (progress_[i].state == State::idle) continue;
    if (::io_uring_sq_space_left(rx_.get()) == 0) rx_.end_cancelled();
    request_cancel(i);
    progress_[i].state = State::idle;
  }
  rx_.end_cancelled();
}

void PortReceives::list(uint32_t index) {
  if (!progress_[index].listed) to_arm_.push_back(index);
  progress_[index].listed = true;
}

void PortReceives::arm(bool starved) {
  size_t left = 0;
  for (const uint32_t index : to_arm_) {
    Progress& p = progress_[index];
    p.listed = false;
    if (!ports_[index].is_open() || p.state != State::idle) continue;
    if (!starved)
      request_receive(index);
    else if (p.readable)
      request_discard(index);
    else
      request_poll(index);
    p.listed = p.state == State::idle;  // the kernel takes no requests now
    if (p.listed) to_arm_[left++] = index;
  }
  to_arm_.resize(left);
}

/// Makes room in the queue where there is none.
io_uring_sqe* PortReceives::request() {
  if (io_uring_sqe* sqe = ::io_uring_get_sqe(rx_.get())) return sqe;
  ::io_uring_submit(rx_.get());
  return ::io_uring_get_sqe(rx_.get());
}

void PortReceives::request_receive(uint32_t index) {
  io_uring_sqe* sqe = request();
  if (!sqe) return;
  ::io_uring_prep_recvmsg_multishot(sqe, ports_[index].file, &shape_, 0);
  sqe->flags |= IOSQE_FIXED_FILE | IOSQE_BUFFER_SELECT;
  sqe->buf_group = BufferRing::kGroup;
  ::io_uring_sqe_set_data64(sqe, tag(Op::port_receive, index).packed());
  progress_[index].state = State::receiving;
}

void PortReceives::request_poll(uint32_t index) {
  io_uring_sqe* sqe = request();
  if (!sqe) return;
  ::io_uring_prep_poll_add(sqe, ports_[index].file, POLLIN);
  sqe->flags |= IOSQE_FIXED_FILE;
  ::io_uring_sqe_set_data64(sqe, tag(Op::port_poll, index).packed());
  progress_[index].state = State::polling;
}

void PortReceives::request_discard(uint32_t index) {
  io_uring_sqe* sqe = request();
  if (!sqe) return;
  ::io_uring_prep_recv(sqe, ports_[index].file, nullptr, 0, MSG_DONTWAIT | MSG_TRUNC);
  sqe->flags |= IOSQE_FIXED_FILE;
  ::io_uring_sqe_set_data64(sqe, tag(Op::port_discard, index).packed());
  progress_[index].state = State::discarding;
}

PortSocket* PortReceives::find(const RequestTag& t) {
  PortSocket& p = ports_[t.index];
  return p.is_open() && (p.mark & 0xff'ffff) == t.generation ? &p : nullptr;
}

void PortReceives::ended(const RequestTag& t, int result, DropCounters& drops) {
  Progress& p = progress_[t.index];
  p.state = State::idle;
  p.readable = t.op == Op::port_poll || (t.op == Op::port_discard && result >= 0);
  if (t.op == Op::port_discard && result >= 0) drops.add(Drop::pool_empty);
  list(t.index);
}

}  // namespace sluice::io
