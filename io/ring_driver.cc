#include "io/ring_driver.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "io/acceptor.h"
#include "io/loop.h"
#include "io/socket_send.h"
#include "io/transport.h"

namespace hybridge {

namespace {
constexpr unsigned kSubmissions = 1024;
constexpr unsigned kCompletions = 4096;
// Completions of one turn; what is beyond has its turn next, behind what these cause.
constexpr unsigned kCompletionsPerTurn = 512;
constexpr std::size_t kFrames = 128;
// This much is sent by a call of its own, while it is warm in the cache.
constexpr std::size_t kSendAtOnce = 64 * 1024;
// Deliveries of parked input to one transport before the others have their turn.
constexpr int kDeliveriesPerTurn = 8;

constexpr std::uintptr_t kOperationMask = 3;
static_assert(alignof(RingWatch) > kOperationMask);

[[noreturn]] void fail(int error, const char* what) {
  throw std::system_error(error, std::generic_category(), what);
}
}  // namespace

RingDriver::RingDriver(Loop& loop) : loop_(loop) {
  create_ring();
  buffers_.emplace(ring_);
  frames_.reserve(kFrames);
  event_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (event_ < 0) fail(errno, "no descriptor is left for an event loop (ulimit -n)");
  poll_wake();
}

RingDriver::~RingDriver() {
  io_uring_queue_exit(&ring_);
  for (const int descriptor : closing_) ::close(descriptor);
  ::close(event_);
}

void RingDriver::create_ring() {
  io_uring_params parameters{};
  // Disabled until the thread that is to run it comes: the kernel serves no other one from then on.
  parameters.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_R_DISABLED |
                     IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE;
  parameters.cq_entries = kCompletions;
  const int created = io_uring_queue_init_params(kSubmissions, &ring_, &parameters);
  if (created < 0) fail(-created, "the kernel does not allow io_uring");
}

void RingDriver::begin_run() {
  is_running_ = true;
  // Refused when it is enabled already. (liburing 2.3 declares io_uring_enable_rings() but does not export it.)
  syscall(__NR_io_uring_register, ring_.ring_fd, IORING_REGISTER_ENABLE_RINGS, nullptr, 0);
  io_uring_register_ring_fd(&ring_);
}

void RingDriver::end_run() {
  submit();
  io_uring_unregister_ring_fd(&ring_);  // it is a matter of this thread
  is_running_ = false;
}

void RingDriver::wake() {
  // Each write is an event of its own, so the counter never needs to be read.
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(event_, &one, sizeof one);
}

void RingDriver::poll_wake() {
  auto& submission = next_submission();
  io_uring_prep_poll_multishot(&submission, event_, POLLIN);
  io_uring_sqe_set_data64(&submission, static_cast<std::uint64_t>(Operation::kWake));
}

void RingDriver::turn(int milliseconds) {
  if (!is_running_) begin_run();
  wait(milliseconds);
  loop_.begin_turn();

  // What was ready before this wait, once each: what becomes ready again meanwhile has its turn next time.
  decltype(ready_) ready;
  ready.swap(ready_);
  decltype(sending_) sending;
  sending.swap(sending_);
  reap();
  // What was not sent while it was submitted waits for its peer.
  while (!sending.empty()) {
    auto& watch = static_cast<RingWatch&>(sending.front());
    sending.pop_front();
    if (watch.transport) watch.transport->driver_blocked();
  }
  while (!ready.empty()) {
    auto& transport = static_cast<Transport&>(ready.front());
    ready.pop_front();
    auto* watch = transport.ring_watch();
    if (watch) ++watch->outstanding;
    if (transport.has_deferred()) transport.driver_deliver();
    if (!watch) continue;  // it never came to a connection
    deliver(*watch);
    release(*watch);
  }
}

void RingDriver::submit() {
  const int submitted = io_uring_submit(&ring_);
  after_submission(submitted);
}

void RingDriver::wait(int milliseconds) {
  int result = 0;
  if (milliseconds == 0 || io_uring_cq_ready(&ring_) > 0) {
    result = io_uring_submit_and_get_events(&ring_);
  } else if (milliseconds < 0) {
    result = io_uring_submit_and_wait(&ring_, 1);
  } else {
    __kernel_timespec limit{.tv_sec = milliseconds / 1000, .tv_nsec = milliseconds % 1000 * 1'000'000};
    io_uring_cqe* first = nullptr;
    result = io_uring_submit_and_wait_timeout(&ring_, &first, 1, &limit, nullptr);
  }
  after_submission(result);
}

void RingDriver::after_submission(int result) {
  const bool is_passing = result == -EINTR || result == -ETIME || result == -EBUSY || result == -EAGAIN;
  if (result < 0 && !is_passing) fail(-result, "io_uring_enter");
  if (io_uring_sq_ready(&ring_) > 0) return;
  closing_.clear();
  frames_.clear();
}

void RingDriver::reap() {
  for (unsigned count = 0; count < kCompletionsPerTurn; ++count) {
    io_uring_cqe* next = nullptr;
    if (io_uring_peek_cqe(&ring_, &next) != 0) return;
    const io_uring_cqe completion = *next;
    io_uring_cqe_seen(&ring_, next);
    on_completion(completion);
  }
}

void RingDriver::on_completion(const io_uring_cqe& completion) {
  const auto operation = static_cast<Operation>(completion.user_data & kOperationMask);
  auto* watch = reinterpret_cast<RingWatch*>(completion.user_data & ~kOperationMask);
  if (operation == Operation::kWake) {
    on_wake(completion.flags);
    return;
  }
  if (!watch) return;  // of a cancellation or a close nobody waits for anything
  const bool goes_on = (completion.flags & IORING_CQE_F_MORE) != 0;
  if (goes_on) ++watch->outstanding;  // for the time of this call
  switch (operation) {
    case Operation::kReceive:
      on_received(*watch, completion.res, completion.flags);
      break;
    case Operation::kSend:
      on_sent(*watch, completion.res);
      break;
    default:
      on_polled(*watch, completion.res);
  }
  release(*watch);
}

void RingDriver::on_wake(std::uint32_t flags) {
  if ((flags & IORING_CQE_F_MORE) == 0) poll_wake();
}

void RingDriver::on_received(RingWatch& watch, int result, std::uint32_t flags) {
  const bool has_ended = (flags & IORING_CQE_F_MORE) == 0;
  if (has_ended) watch.is_receiving = watch.is_stopping = false;
  if (result > 0) {
    const std::uint32_t id = flags >> IORING_CQE_BUFFER_SHIFT;
    if (watch.transport) take(watch, (*buffers_)[id].first(static_cast<std::size_t>(result)));
    buffers_->give_back(id);
  } else if (watch.transport && result != -ENOBUFS && result != -ECANCELED) {
    end_receiving(watch, -result);
    return;
  }
  if (!has_ended || !watch.transport) return;
  if (!watch.transport->wants_input()) {
    poll(watch, POLLRDHUP);  // its end and its failure are told even so
  } else if (watch.parked.empty()) {
    receive(watch);
  }
}

void RingDriver::take(RingWatch& watch, std::span<const std::uint8_t> bytes) {
  auto& transport = *watch.transport;
  if (transport.wants_input() && watch.parked.empty()) {
    transport.driver_received(bytes);
    return;
  }
  watch.parked.append(bytes);
  transport.readiness().readable = true;
  stop_receiving(watch);
}

void RingDriver::end_receiving(RingWatch& watch, int error) {
  auto& transport = *watch.transport;
  if (error != 0 && !transport.reads_before_failing()) {
    transport.driver_failed(error);
    return;
  }
  watch.error = error;
  watch.has_end = error == 0;
  if (watch.has_end) {
    transport.driver_peer_done();
    if (!watch.transport) return;
  }
  if (transport.wants_input() && watch.parked.empty()) {
    deliver(watch);
  } else {
    transport.readiness().readable = true;
  }
}

// Parked input, and the end behind it.
void RingDriver::deliver(RingWatch& watch) {
  for (int count = 0; watch.transport && watch.transport->wants_input() && !watch.parked.empty(); ++count) {
    if (count == kDeliveriesPerTurn) {
      make_ready(*watch.transport);
      return;
    }
    iovec piece;
    watch.parked.peek(&piece, 1);
    watch.transport->driver_received({static_cast<const std::uint8_t*>(piece.iov_base), piece.iov_len});
    watch.parked.consume(piece.iov_len);
  }
  if (!watch.transport) return;
  auto& transport = *watch.transport;
  if (watch.parked.empty()) {
    transport.readiness().readable = watch.has_end || watch.error != 0;
    if (watch.error != 0) {
      transport.driver_failed(watch.error);
      return;
    }
    if (watch.has_end && transport.wants_input()) {
      // A reset that a send or an event has told of already reads as an end.
      if (transport.broken() != 0) {
        transport.driver_failed(transport.broken());
      } else {
        transport.driver_end();
      }
      return;
    }
  }
  if (transport.wants_input() && !watch.has_end) receive(watch);
}

void RingDriver::on_sent(RingWatch& watch, int result) {
  watch.is_sending = false;
  if (watch.is_linked()) watch.unlink();
  if (!watch.transport) {
    watch.output.clear();
    return;
  }
  auto& transport = *watch.transport;
  if (result < 0 && result != -EINTR && result != -EAGAIN) {
    transport.driver_send_failed(-result);
    return;
  }
  const auto sent = static_cast<std::size_t>(std::max(result, 0));
  transport.output().consume(sent);
  transport.driver_progressed(sent);
  if (sent < watch.offered) transport.driver_blocked();
  if (watch.transport) transport.flush_from_loop();
}

void RingDriver::on_polled(RingWatch& watch, int result) {
  watch.is_polling = false;
  if (watch.acceptor) {
    watch.acceptor->driver_acceptable();
    if (watch.acceptor) poll(watch, POLLIN);
    return;
  }
  if (!watch.transport || result < 0) return;
  auto& transport = *watch.transport;
  if (transport.is_connecting()) {
    transport.driver_connected(pending_error(watch.descriptor));
    if (watch.transport) receive(watch);
    return;
  }
  if (watch.is_receiving) return;  // the receive tells it
  const int error = (result & (POLLERR | POLLHUP)) != 0 ? pending_error(watch.descriptor) : 0;
  if (error == 0) {
    if ((result & POLLRDHUP) == 0) return;
    transport.driver_peer_done();
    if (watch.transport && (result & POLLHUP) == 0) poll(watch, 0);
    return;
  }
  if (transport.reads_before_failing()) {
    transport.driver_send_failed(error);
  } else {
    transport.driver_failed(error);
  }
}

void RingDriver::add(Acceptor& acceptor) {
  auto& watch = take_watch(acceptor.descriptor());
  watch.acceptor = &acceptor;
  accepting_.push_back(&watch);
  poll(watch, POLLIN);
}

void RingDriver::remove(Acceptor& acceptor) {
  const auto found =
      std::find_if(accepting_.begin(), accepting_.end(), [&](auto* watch) { return watch->acceptor == &acceptor; });
  if (found == accepting_.end()) return;
  auto& watch = **found;
  accepting_.erase(found);
  ++watch.outstanding;
  watch.acceptor = nullptr;
  if (watch.is_polling) {
    auto& cancellation = next_submission();
    io_uring_prep_cancel_fd(&cancellation, watch.descriptor, IORING_ASYNC_CANCEL_ALL);
    forget(cancellation);
    if (loop_.is_in_loop_thread()) submit();  // before the descriptor is closed and its number somebody else's
  }
  release(watch);
}

void RingDriver::add(Transport& transport) {
  auto& watch = take_watch(transport.descriptor());
  watch.transport = &transport;
  transport.ring_watch() = &watch;
  if (transport.is_connecting()) {
    poll(watch, POLLOUT);
  } else {
    receive(watch);
  }
}

// What was queued for sending is given to the kernel before the descriptor is closed: submissions keep their order.
void RingDriver::remove(Transport& transport) {
  auto& watch = *transport.ring_watch();
  transport.ring_watch() = nullptr;
  ++watch.outstanding;
  watch.transport = nullptr;
  if (watch.is_sending) watch.output.swap(transport.output());
  if (watch.is_receiving || watch.is_sending || watch.is_polling) {
    auto& cancellation = next_submission();
    io_uring_prep_cancel_fd(&cancellation, watch.descriptor, IORING_ASYNC_CANCEL_ALL);
    forget(cancellation);
  }
  auto& closing = next_submission();
  io_uring_prep_close(&closing, watch.descriptor);
  forget(closing);
  closing_.push_back(watch.descriptor);
  release(watch);
}

void RingDriver::want_input(Transport& transport) {
  auto& watch = *transport.ring_watch();
  if (!watch.parked.empty() || watch.has_end || watch.error != 0) {
    make_ready(transport);
  } else if (!transport.is_connecting()) {
    receive(watch);
  }
}

void RingDriver::report_failure(Transport& transport) {
  make_ready(transport);
}

void RingDriver::make_ready(Transport& transport) {
  auto& hook = static_cast<ReadyHook&>(transport);
  if (!hook.is_linked()) ready_.push_back(hook);
}

std::size_t RingDriver::send(Transport& transport, std::span<const std::uint8_t> more) {
  auto& watch = *transport.ring_watch();
  if (watch.is_sending) return 0;
  if (transport.output().size() + more.size() >= kSendAtOnce) {
    const auto sent = send_at_once(transport, more);
    if (!transport.output().empty() && transport.broken() == 0) queue_send(watch);
    return sent.of_more;
  }
  // A head waits for the body behind it, until the turn ends.
  if (more.empty() && !transport.output().empty()) queue_send(watch);
  return 0;
}

void RingDriver::queue_send(RingWatch& watch) {
  if (frames_.size() == kFrames) submit();
  MessageFrame frame;
  const auto count = watch.transport->output().peek(frame.pieces.data(), frame.pieces.size());
  watch.offered = 0;
  for (std::size_t i = 0; i < count; ++i) watch.offered += frame.pieces[i].iov_len;
  auto& submission = next_submission();
  if (count == 1) {
    io_uring_prep_send(&submission, watch.descriptor, frame.pieces[0].iov_base, frame.pieces[0].iov_len, MSG_NOSIGNAL);
  } else {
    auto& kept = frames_.emplace_back(frame);
    kept.message = {};
    kept.message.msg_iov = kept.pieces.data();
    kept.message.msg_iovlen = count;
    io_uring_prep_sendmsg(&submission, watch.descriptor, &kept.message, MSG_NOSIGNAL);
  }
  track(submission, watch, Operation::kSend);
  watch.is_sending = true;
  sending_.push_back(watch);
}

void RingDriver::receive(RingWatch& watch) {
  if (watch.is_receiving) return;
  auto& submission = next_submission();
  io_uring_prep_recv_multishot(&submission, watch.descriptor, nullptr, 0, 0);
  submission.flags |= IOSQE_BUFFER_SELECT;
  submission.buf_group = ReceiveBuffers::kGroup;
  track(submission, watch, Operation::kReceive);
  watch.is_receiving = true;
}

void RingDriver::stop_receiving(RingWatch& watch) {
  if (!watch.is_receiving || watch.is_stopping) return;
  watch.is_stopping = true;
  auto& cancellation = next_submission();
  io_uring_prep_cancel64(&cancellation, user_data(watch, Operation::kReceive), 0);
  forget(cancellation);
}

void RingDriver::poll(RingWatch& watch, unsigned events) {
  if (watch.is_polling) return;
  auto& submission = next_submission();
  io_uring_prep_poll_add(&submission, watch.descriptor, events);
  track(submission, watch, Operation::kPoll);
  watch.is_polling = true;
}

io_uring_sqe& RingDriver::next_submission() {
  auto* submission = io_uring_get_sqe(&ring_);
  while (!submission) {
    submit();
    submission = io_uring_get_sqe(&ring_);
  }
  return *submission;
}

std::uint64_t RingDriver::user_data(RingWatch& watch, Operation operation) {
  return reinterpret_cast<std::uintptr_t>(&watch) | static_cast<std::uintptr_t>(operation);
}

void RingDriver::track(io_uring_sqe& submission, RingWatch& watch, Operation operation) {
  io_uring_sqe_set_data64(&submission, user_data(watch, operation));
  ++watch.outstanding;
}

void RingDriver::forget(io_uring_sqe& submission) {
  io_uring_sqe_set_data64(&submission, 0);
  submission.flags |= IOSQE_CQE_SKIP_SUCCESS;
}

RingWatch& RingDriver::take_watch(int descriptor) {
  if (free_watches_.empty()) {
    watches_.push_back(std::make_unique<RingWatch>(loop_.chunks()));
    free_watches_.push_back(watches_.back().get());
  }
  auto& watch = *free_watches_.back();
  free_watches_.pop_back();
  watch.descriptor = descriptor;
  return watch;
}

void RingDriver::release(RingWatch& watch) {
  if (--watch.outstanding > 0 || watch.transport || watch.acceptor) return;
  watch.parked.clear();
  watch.output.clear();
  watch.error = 0;
  watch.has_end = false;
  free_watches_.push_back(&watch);
}

}  // namespace hybridge
