// What a loop needs of the kernel: readiness (epoll) or completion (io_uring) turned into calls on transports and
// acceptors. Nothing above knows which of both it is.
//
// Owned by its Loop; that thread only, but wake().
#pragma once

#include <boost/intrusive/list.hpp>
#include <cstdint>
#include <span>
#include <string>

#include "base/error.h"

namespace hybridge {

class Acceptor;
class Transport;

// Memberships of a transport in the lists of its loop; they end with the transport.
struct ReadyHook : boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {};
struct FlushHook : boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {};
struct HandshakeHook : boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {};

enum class DriverKind : std::uint8_t { kEpoll, kRing };

// "" or why the kernel does not allow io_uring here.
std::string ring_refusal();

class Driver {
 public:
  virtual ~Driver() = default;

  // Waits at most `milliseconds` (-1: for ever) and hands what happened to transports and acceptors.
  virtual void turn(int milliseconds) = 0;
  virtual void end_run() {}            // the thread leaves: what was decided is still carried out
  virtual bool has_ready() const = 0;  // something can go on without waiting
  virtual void wake() = 0;             // any thread: ends a turn's wait

  virtual void add(Acceptor& acceptor) = 0;
  virtual void remove(Acceptor& acceptor) = 0;

  // The transport's descriptor is watched until remove(), which closes it.
  virtual void add(Transport& transport) = 0;
  virtual void remove(Transport& transport) = 0;
  virtual void want_input(Transport& transport) = 0;      // what is there already is delivered in a later turn
  virtual void report_failure(Transport& transport) = 0;  // Transport::driver_failed() in a later turn

  // Sends from the transport's queue and then from `more`; returns how many bytes of `more` were sent. What is left
  // in the queue goes out by itself as the peer takes it.
  virtual std::size_t send(Transport& transport, std::span<const std::uint8_t> more) = 0;
};

}  // namespace hybridge
