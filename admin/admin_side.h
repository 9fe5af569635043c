// The admin listeners, TCP and Unix, on a loop and a thread of their own, so that operators are heard while every
// worker is busy. Speaks HTTP with the same connections as the edge; what is answered is the Service's affair.
//
// Owned by the daemon. open(), start() and stop() are for its thread.
#pragma once

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "io/listening_sockets.h"
#include "io/loop.h"
#include "proxy/config.h"
#include "proxy/downstream/client_limits.h"
#include "proxy/downstream/downstream.h"
#include "proxy/downstream/listener.h"

namespace hybridge {

class AdminSide final : private DownstreamObserver {
 public:
  explicit AdminSide(const Config& config);
  ~AdminSide();
  AdminSide(const AdminSide&) = delete;

  // Binds, or adopts what a process before this one has bound; all faults at once.
  Result<void> open(ListeningSockets& inherited);
  void start(Service& service);
  // Lets the calls under way end, for so long at most; who connects meanwhile waits, for resume() or the next process.
  void pause(Duration patience);
  void resume();
  void retire();  // after pause(): the next process answers from now on; calls that still last go on
  void stop();    // closes what is open; the thread has ended when it returns

  Loop& loop() { return loop_; }
  const ListeningSockets::Names& listening() const { return listening_; }

 private:
  void on_opened(DownstreamProtocol) override {}
  void on_tunnel() override {}
  void on_closed(DownstreamProtocol) override {}
  void on_refused(const Address&, const Error&) override {}
  void on_handshake(std::string_view, bool, Reason) override {}
  void on_accept_failed(int error) override;

  Config::Admin config_;
  Loop loop_;
  ClientLimits limits_;
  Downstream downstream_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  ListeningSockets::Names listening_;
  std::vector<Descriptor> bound_;  // until start()
  bool owns_socket_file_ = false;
  std::thread thread_;
};

}  // namespace hybridge
