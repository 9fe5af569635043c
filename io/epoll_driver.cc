#include "io/epoll_driver.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <stdexcept>

#include "io/acceptor.h"
#include "io/loop.h"
#include "io/socket_send.h"
#include "io/transport.h"

namespace hybridge {

namespace {
// What an event belongs to, in the low bits of its pointer.
enum Tag : std::uintptr_t { kTransport = 0, kAcceptor = 1, kWake = 2 };
constexpr std::uintptr_t kTagMask = 3;

epoll_event make_event(std::uint32_t events, void* object, Tag tag) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = reinterpret_cast<std::uintptr_t>(object) | tag;
  return event;
}
}  // namespace

EpollDriver::EpollDriver(Loop& loop)
    : loop_(loop), epoll_(epoll_create1(EPOLL_CLOEXEC)), event_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (epoll_ < 0 || event_ < 0) throw std::runtime_error("no descriptor is left for an event loop (ulimit -n)");
  auto event = make_event(EPOLLIN | EPOLLET, nullptr, kWake);
  epoll_ctl(epoll_, EPOLL_CTL_ADD, event_, &event);
}

EpollDriver::~EpollDriver() {
  ::close(event_);
  ::close(epoll_);
}

void EpollDriver::wake() {
  // Edge-triggered: each write is an edge of its own, so the counter never needs to be read.
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(event_, &one, sizeof one);
}

void EpollDriver::turn(int milliseconds) {
  std::array<epoll_event, 64> events;
  const int count = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), milliseconds);
  loop_.begin_turn();

  // What was ready before this wait, once each: what becomes ready again meanwhile has its turn next time.
  decltype(ready_) ready;
  ready.swap(ready_);

  for (int i = 0; i < count; ++i) {
    const auto tagged = static_cast<std::uintptr_t>(events[static_cast<std::size_t>(i)].data.u64);
    auto* object = reinterpret_cast<void*>(tagged & ~kTagMask);
    switch (tagged & kTagMask) {
      case kTransport:
        on_event(*static_cast<Transport*>(object), events[static_cast<std::size_t>(i)].events);
        break;
      case kAcceptor:
        static_cast<Acceptor*>(object)->driver_acceptable();
        break;
      default:
        break;  // woken for posted work, which the loop looks at every turn
    }
  }
  while (!ready.empty()) {
    auto& transport = static_cast<Transport&>(ready.front());
    ready.pop_front();
    if (transport.has_deferred()) transport.driver_deliver();
    if (transport.is_open()) receive(transport);
  }
}

void EpollDriver::add(Acceptor& acceptor) {
  auto event = make_event(EPOLLIN, &acceptor, kAcceptor);
  epoll_ctl(epoll_, EPOLL_CTL_ADD, acceptor.descriptor(), &event);
}

void EpollDriver::remove(Acceptor& acceptor) {
  epoll_ctl(epoll_, EPOLL_CTL_DEL, acceptor.descriptor(), nullptr);
}

void EpollDriver::add(Transport& transport) {
  auto event = make_event(EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, &transport, kTransport);
  epoll_ctl(epoll_, EPOLL_CTL_ADD, transport.descriptor(), &event);
  // A connected socket can be written to; saying so spares the first flush its wait for an event.
  transport.readiness() = {.readable = false, .writable = !transport.is_connecting(), .peer_done = false};
}

void EpollDriver::remove(Transport& transport) {
  ::close(transport.descriptor());
}

void EpollDriver::want_input(Transport& transport) {
  if (transport.readiness().readable) make_ready(transport);
}

void EpollDriver::report_failure(Transport& transport) {
  make_ready(transport);
}

void EpollDriver::make_ready(Transport& transport) {
  auto& hook = static_cast<ReadyHook&>(transport);
  if (!hook.is_linked()) ready_.push_back(hook);
}

void EpollDriver::on_event(Transport& transport, std::uint32_t events) {
  if (!transport.is_open()) return;  // closed by an earlier event of this batch
  auto& readiness = transport.readiness();
  if (transport.is_connecting()) {
    if ((events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) == 0) return;
    readiness.writable = true;
    transport.driver_connected(pending_error(transport.descriptor()));
    if (!transport.is_open()) return;
  }
  if (events & EPOLLERR) {
    if (const int error = pending_error(transport.descriptor()); error != 0) {
      if (!transport.reads_before_failing()) {
        transport.driver_failed(error);
        return;
      }
      transport.driver_send_failed(error);
    }
  }
  // Both directions are shut, by a FIN each (a reset says EPOLLERR too): what the peer sent before is still to be
  // read by whoever wants it, now or later.
  if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP)) readiness.readable = true;
  if (events & (EPOLLRDHUP | EPOLLHUP)) {
    transport.driver_peer_done();
    if (!transport.is_open()) return;
  }
  if ((events & EPOLLOUT) && !readiness.writable) {
    readiness.writable = true;
    transport.flush_from_loop();
  }
  if (transport.is_open()) receive(transport);
}

void EpollDriver::receive(Transport& transport) {
  const auto buffer = loop_.receive_buffer();
  auto& readiness = transport.readiness();
  for (int round = 0; round < kReceivesPerTurn; ++round) {
    if (!readiness.readable || !transport.is_open() || !transport.wants_input()) return;
    const auto count = ::recv(transport.descriptor(), buffer.data(), buffer.size(), 0);
    if (count > 0) {
      // A short read has emptied the queue, unless a FIN waits behind it.
      readiness.readable = static_cast<std::size_t>(count) == buffer.size() || readiness.peer_done;
      transport.driver_received(buffer.first(static_cast<std::size_t>(count)));
    } else if (count == 0) {
      readiness.readable = false;
      // A reset that a send or an event has told of already reads as an end.
      if (transport.broken() != 0) {
        transport.driver_failed(transport.broken());
      } else {
        transport.driver_end();
      }
    } else if (errno == EAGAIN) {
      readiness.readable = false;
      if (transport.broken() != 0) transport.driver_failed(transport.broken());
    } else if (errno != EINTR) {
      transport.driver_failed(errno);
    }
  }
  if (transport.is_open() && readiness.readable && transport.wants_input()) make_ready(transport);
}

std::size_t EpollDriver::send(Transport& transport, std::span<const std::uint8_t> more) {
  auto& readiness = transport.readiness();
  if (!readiness.writable) return 0;
  const auto sent = send_at_once(transport, more);
  readiness.writable = sent.takes_more;  // if not, the edge will tell
  return sent.of_more;
}

}  // namespace hybridge
