// The epoll driver: one edge-triggered registration a connection for its whole life, no read that would only say
// EAGAIN, no epoll_ctl a request.
//
// Owned by its Loop; that thread only, but wake(). It is the loop's only wait: hosting it inside Asio would cost a
// second epoll_wait and an epoll_ctl each turn (docs/ARCHITECTURE.md, "The loop").
#pragma once

#include <boost/intrusive/list.hpp>

#include "io/driver.h"

namespace hybridge {

class Loop;

class EpollDriver final : public Driver {
 public:
  explicit EpollDriver(Loop& loop);
  ~EpollDriver() override;

  void turn(int milliseconds) override;
  bool has_ready() const override { return !ready_.empty(); }
  void wake() override;
  void add(Acceptor& acceptor) override;
  void remove(Acceptor& acceptor) override;
  void add(Transport& transport) override;
  void remove(Transport& transport) override;
  void want_input(Transport& transport) override;
  void report_failure(Transport& transport) override;
  std::size_t send(Transport& transport, std::span<const std::uint8_t> more) override;

 private:
  void on_event(Transport& transport, std::uint32_t events);
  void receive(Transport& transport);
  void make_ready(Transport& transport);

  // Deliveries of 64 KiB to one transport before the others have their turn.
  static constexpr int kReceivesPerTurn = 4;

  Loop& loop_;
  int epoll_;
  int event_;  // eventfd of wake()
  boost::intrusive::list<ReadyHook, boost::intrusive::constant_time_size<false>> ready_;
};

}  // namespace hybridge
