// A worker's event loop: one driver (epoll or io_uring) for its sockets, a timer wheel, work posted by other threads,
// and the buffers that its connections share. Nothing in it is a lock on the way of a request.
//
// Owned by a worker (or the control side); everything but post(), stop() and stalled_for() is for the thread in run()
// only. A turn: wait, take what came in (one transport at a time), a bounded number of handshakes, timers, posted
// work; then what was written is flushed, and what was buried is destroyed.
#pragma once

#include <atomic>
#include <boost/intrusive/list.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "base/chunk.h"
#include "base/clock.h"
#include "base/timer_wheel.h"
#include "io/driver.h"

namespace hybridge {

class Transport;

// Something that may be destroyed only when no call on it is on the stack: connections bury themselves.
class Buried {
 public:
  virtual ~Buried() = default;
};

class Loop {
 public:
  explicit Loop(DriverKind driver = DriverKind::kEpoll);
  ~Loop();
  Loop(const Loop&) = delete;

  void run();  // until stop()
  // One turn of it, which waits at most so many milliseconds (-1: for as long as nothing happens). True: stop() was
  // seen.
  bool turn(int at_most);
  // Any thread. run() returns at the end of the turn in which it is seen; posted work before it is done.
  void stop();
  // Any thread. Runs on the loop's thread, in the order posted. After run() has returned it runs never.
  void post(std::function<void()> work);

  void begin_turn();                      // by the driver, when its wait is over
  TimePoint now() const { return now_; }  // of this turn
  TimerWheel& timers() { return timers_; }
  ChunkPool& chunks() { return chunks_; }
  Driver& driver() { return *driver_; }
  bool is_in_loop_thread() const;

  void bury(std::unique_ptr<Buried> dead) { graveyard_.push_back(std::move(dead)); }
  void destroy_buried();                       // outside run(): before what the buried refer to goes
  void defer_flush(Transport& transport);      // at the end of this turn's batch
  void defer_handshake(Transport& transport);  // a few a turn, so that a flood of them starves nobody

  // Buffers for the one transport whose input is being taken: ciphertext as received, and its plaintext.
  static constexpr std::size_t kReceiveBytes = 64 * 1024;
  std::span<std::uint8_t> receive_buffer() { return {receive_.get(), kReceiveBytes}; }
  // Holds everything one receive can decrypt to, with the record that an earlier receive began.
  std::span<std::uint8_t> plain_buffer() { return {plain_.get(), kReceiveBytes + 32 * 1024}; }

  // Any thread: how long the current turn has been running; zero while the loop waits.
  Duration stalled_for() const;

 private:
  void run_handshakes();
  void run_posted();
  void flush_and_bury();
  int wait_milliseconds() const;

  static constexpr std::size_t kHandshakesPerTurn = 2;

  TimePoint now_ = Clock::now();
  TimerWheel timers_{now_};
  ChunkPool chunks_;
  std::unique_ptr<std::uint8_t[]> receive_ = std::make_unique_for_overwrite<std::uint8_t[]>(kReceiveBytes);
  std::unique_ptr<std::uint8_t[]> plain_ = std::make_unique_for_overwrite<std::uint8_t[]>(kReceiveBytes + 32 * 1024);
  std::unique_ptr<Driver> driver_;

  boost::intrusive::list<FlushHook, boost::intrusive::constant_time_size<false>> unflushed_;
  boost::intrusive::list<HandshakeHook, boost::intrusive::constant_time_size<false>> handshakes_;
  std::vector<std::unique_ptr<Buried>> graveyard_;

  std::mutex posted_mutex_;
  std::vector<std::function<void()>> posted_;
  std::atomic<bool> has_posted_{false};
  std::atomic<bool> stopping_{false};
  std::atomic<std::int64_t> turn_began_{0};  // steady nanoseconds; 0: waiting
};

}  // namespace hybridge
