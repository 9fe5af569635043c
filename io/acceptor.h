// A listening socket on a loop: takes connections and hands over their descriptors. Several loops listen on one
// address by SO_REUSEPORT, each with an acceptor of its own.
//
// Owned by a Listener; its loop's thread only. Pauses by itself for a moment when descriptors run out, so that a full
// process does not spin.
#pragma once

#include <string>

#include "base/error.h"
#include "base/timer_wheel.h"
#include "io/address.h"

namespace hybridge {

class Loop;

class Acceptor final : private Timer::Owner {
 public:
  struct User {
    virtual void on_accept(int descriptor, const Address& peer) = 0;  // non-blocking, TCP_NODELAY set
    virtual void on_accept_failed(int error) = 0;                     // EMFILE and the like; accepting goes on later

   protected:
    ~User() = default;
  };

  // Whether the kernel speaks the address's family at all: without IPv6 none of its addresses can be listened on.
  static bool has_family(const Address& address);
  // Has nobody else the address? kIo: as listen(). To be asked before the first of several listen() on one address.
  static Result<void> check_free(const Address& address);
  // kIo: with a message that says what to do (address in use, permission, not an address of this machine).
  static Result<int> listen(const Address& address);
  static Result<int> listen_unix(const std::string& path);  // a stale socket file is replaced; mode 0660

  Acceptor(Loop& loop, User& user, int descriptor);  // owns the descriptor
  ~Acceptor();
  Acceptor(const Acceptor&) = delete;

  void start();
  void pause();  // who connects meanwhile waits in the kernel, for start() or for whoever else has the socket
  void stop();   // takes what the kernel has completed already, then closes

  int descriptor() const { return descriptor_; }
  Address local() const;

  void driver_acceptable();  // by the driver

 private:
  void on_timer() override;
  bool accept_one();

  Loop& loop_;
  User& user_;
  Timer resume_;
  int descriptor_;
  bool is_watched_ = false;
};

}  // namespace hybridge
