// The io_uring driver: the ring is the loop's only wait, and one io_uring_enter a turn submits everything the turn
// before decided and takes everything that has come. Each connection has one multishot receive into buffers that all
// share; its output goes out as one send in flight at a time, much of it by a call of its own. The kernel works on
// memory behind our back, so what it still works on (RingWatch) outlives its transport.
//
// Owned by its Loop; that thread only, but wake(). Needs Linux 6.1 (deferred task work, single issuer).
#pragma once

#include <liburing.h>

#include <array>
#include <boost/intrusive/list.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/chunk.h"
#include "io/driver.h"
#include "io/receive_buffers.h"

namespace hybridge {

class Loop;

struct RingSendHook : boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {};

// What the kernel does for one descriptor.
struct RingWatch : RingSendHook {
  explicit RingWatch(ChunkPool& pool) : parked(pool), output(pool) {}

  Transport* transport = nullptr;  // null: closed
  Acceptor* acceptor = nullptr;
  int descriptor = -1;
  int error = 0;                  // of a receive, behind what is parked
  std::size_t offered = 0;        // bytes of the send in flight
  std::uint32_t outstanding = 0;  // operations of the kernel's, and calls on the stack
  bool is_receiving = false;
  bool is_stopping = false;  // the receive is being cancelled
  bool is_sending = false;
  bool is_polling = false;  // for a connection made or accepted, or for its failure while nothing is received
  bool has_end = false;     // FIN, behind what is parked
  ChunkQueue parked;        // received while it was not wanted
  ChunkQueue output;        // of a closed transport, while a send may still look at it
};

class RingDriver final : public Driver {
 public:
  // Throws std::system_error where the kernel does not allow it.
  explicit RingDriver(Loop& loop);
  ~RingDriver() override;

  void turn(int milliseconds) override;
  void end_run() override;
  bool has_ready() const override { return !ready_.empty() || io_uring_cq_ready(&ring_) > 0; }
  void wake() override;
  void add(Acceptor& acceptor) override;
  void remove(Acceptor& acceptor) override;
  void add(Transport& transport) override;
  void remove(Transport& transport) override;
  void want_input(Transport& transport) override;
  void report_failure(Transport& transport) override;
  std::size_t send(Transport& transport, std::span<const std::uint8_t> more) override;

 private:
  enum class Operation : std::uintptr_t { kReceive, kSend, kPoll, kWake };
  struct MessageFrame {
    msghdr message;
    std::array<iovec, 16> pieces;
  };

  void create_ring();
  void begin_run();
  void submit();
  void wait(int milliseconds);
  void after_submission(int result);
  void reap();

  void on_completion(const io_uring_cqe& completion);
  void on_received(RingWatch& watch, int result, std::uint32_t flags);
  void on_sent(RingWatch& watch, int result);
  void on_polled(RingWatch& watch, int result);
  void on_wake(std::uint32_t flags);
  void take(RingWatch& watch, std::span<const std::uint8_t> bytes);
  void end_receiving(RingWatch& watch, int error);
  void deliver(RingWatch& watch);
  void make_ready(Transport& transport);

  io_uring_sqe& next_submission();
  static std::uint64_t user_data(RingWatch& watch, Operation operation);
  static void track(io_uring_sqe& submission, RingWatch& watch, Operation operation);
  static void forget(io_uring_sqe& submission);  // nobody waits for its outcome
  void receive(RingWatch& watch);
  void stop_receiving(RingWatch& watch);
  void queue_send(RingWatch& watch);
  void poll(RingWatch& watch, unsigned events);
  void poll_wake();

  RingWatch& take_watch(int descriptor);
  void release(RingWatch& watch);  // an operation of it has ended

  Loop& loop_;
  io_uring ring_{};
  int event_ = -1;  // eventfd of wake()
  bool is_running_ = false;
  std::optional<ReceiveBuffers> buffers_;
  std::vector<MessageFrame> frames_;  // of sends in several pieces, until they are submitted
  std::vector<int> closing_;          // descriptors whose close is not submitted yet
  std::vector<std::unique_ptr<RingWatch>> watches_;
  std::vector<RingWatch*> free_watches_;
  std::vector<RingWatch*> accepting_;
  boost::intrusive::list<RingSendHook, boost::intrusive::constant_time_size<false>> sending_;  // since the last wait
  boost::intrusive::list<ReadyHook, boost::intrusive::constant_time_size<false>> ready_;
};

}  // namespace hybridge
