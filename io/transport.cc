#include "io/transport.h"

#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/contain.h"
#include "io/loop.h"

namespace hybridge {

namespace {
// Plain pieces of at least this size are sent from where they are; smaller ones are gathered.
constexpr std::size_t kSendDirectly = 4 * 1024;
// The same with TLS: below this, copying costs less than a record of its own.
constexpr std::size_t kEncryptDirectly = 8 * 1024;
// This much queued is sent without waiting for the end of the turn, while it is warm in the cache.
constexpr std::size_t kFlushAt = 64 * 1024;
constexpr std::size_t kRecordBytes = 16 * 1024;
// A client needs a twentieth of this; more is somebody who fills memory before anybody knows him.
constexpr std::size_t kHandshakeBytes = 64 * 1024;
static_assert(kRecordBytes <= Chunk::kBytes);

// A user that throws is at its end, as if its peer had gone; other transports go on.
inline void tell(Transport& transport, Transport::User& user, void (Transport::User::*what)()) {
  if (contain("a connection", [&] { (user.*what)(); }) || !transport.is_open()) return;
  transport.driver_failed(ECANCELED);
}
}  // namespace

Transport::Transport(Loop& loop, User& user) : loop_(loop), user_(&user), output_(loop.chunks()) {}

Transport::~Transport() {
  close();
}

void Transport::open(int descriptor) {
  descriptor_ = descriptor;
  is_connected_ = true;
  last_progress_ = loop_.now();
  loop_.driver().add(*this);
}

void Transport::connect(const Address& address) {
  is_client_ = true;
  is_connecting_ = true;
  last_progress_ = loop_.now();
  descriptor_ = ::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (descriptor_ < 0) {
    broken_ = errno;
    loop_.driver().report_failure(*this);
    return;
  }
  const int on = 1;
  setsockopt(descriptor_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (::connect(descriptor_, address.data(), address.size()) < 0 && errno != EINPROGRESS) {
    broken_ = errno;
    loop_.driver().report_failure(*this);
    return;
  }
  loop_.driver().add(*this);
}

void Transport::start_tls(UniqueSsl ssl) {
  tls_ = std::make_unique<TlsEngine>(std::move(ssl), output_);
  is_connected_ = false;
  wants_input_ = true;
  if (is_client_) {
    if (!is_connecting_) loop_.defer_handshake(*this);
    return;
  }
  if (!input_.empty()) {  // the ClientHello came with a PROXY header
    kept_ = std::vector<std::uint8_t>(input_.begin(), input_.end());
    input_ = {};
    loop_.defer_handshake(*this);
  }
  loop_.driver().want_input(*this);
}

void Transport::continue_handshake() {
  loop_.defer_handshake(*this);
}

void Transport::consume(std::size_t bytes) {
  input_ = input_.subspan(bytes);
}

void Transport::want_input(bool wanted) {
  wants_input_ = wanted;
  if (wanted && is_open() && !taking_) loop_.driver().want_input(*this);
}

void Transport::deliver_again() {
  deliver_again_ = true;
  loop_.driver().report_failure(*this);
}

void Transport::write(std::span<const std::uint8_t> bytes) {
  if (!is_open() || broken_ != 0 || shutdown_wanted_) return;
  if (!tls_) {
    if (bytes.size() >= kSendDirectly) bytes = bytes.subspan(loop_.driver().send(*this, bytes));
    output_.append(bytes);
  } else {
    if (staged_size_ > 0 && staged_size_ + bytes.size() > kRecordBytes) {
      const auto fill = kRecordBytes - staged_size_;
      std::memcpy(staged_->bytes + staged_size_, bytes.data(), fill);
      staged_size_ += fill;
      bytes = bytes.subspan(fill);
      encrypt_staged();
    }
    if (staged_size_ == 0 && is_connected_ && bytes.size() >= kEncryptDirectly) {
      const auto rest = bytes.size() % kRecordBytes;
      const auto direct = rest < kEncryptDirectly ? bytes.size() - rest : bytes.size();
      if (broken_ == 0 && !tls_->write(bytes.first(direct))) driver_send_failed(EPROTO);
      bytes = bytes.subspan(direct);
    }
    if (!bytes.empty()) {
      if (!staged_) staged_ = loop_.chunks().take();
      std::memcpy(staged_->bytes + staged_size_, bytes.data(), bytes.size());
      staged_size_ += bytes.size();
    }
  }
  if (output_.size() >= kFlushAt) loop_.driver().send(*this, {});
  if (pending_output() >= kHighWater) was_blocked_ = true;
  if (pending_output() > 0) loop_.defer_flush(*this);
}

void Transport::encrypt_staged() {
  if (!staged_) return;
  if (!tls_->write({staged_->bytes, staged_size_})) driver_send_failed(EPROTO);
  staged_size_ = 0;
  loop_.chunks().give(std::exchange(staged_, nullptr));
}

void Transport::flush() {
  if (!is_open() || broken_ != 0 || is_connecting_) return;
  if (is_connected_) encrypt_staged();
  if (!output_.empty()) loop_.driver().send(*this, {});
  if (shutdown_wanted_ && output_.empty()) finish_shutdown();
}

void Transport::flush_later() {
  loop_.defer_flush(*this);
}

void Transport::flush_from_loop() {
  tell(*this, *user_, &User::on_flushing);
  if (FlushHook::is_linked()) FlushHook::unlink();  // by what was written just now
  flush();
  driver_sent();
  if (is_open() && shutdown_done_ && !shutdown_told_) {
    shutdown_told_ = true;
    tell(*this, *user_, &User::on_shut_down);
  }
}

void Transport::shutdown_output() {
  if (!is_open() || shutdown_wanted_) return;
  if (tls_ && is_connected_) {
    encrypt_staged();
    tls_->close_notify();
  }
  shutdown_wanted_ = true;
  loop_.defer_flush(*this);
}

void Transport::finish_shutdown() {
  if (shutdown_done_) return;
  shutdown_done_ = true;
  ::shutdown(descriptor_, SHUT_WR);
}

std::uint64_t Transport::bytes_taken() const {
  int queued = 0;
  if (!is_open() || ::ioctl(descriptor_, SIOCOUTQ, &queued) < 0) return bytes_sent_;
  return bytes_sent_ - std::min(bytes_sent_, static_cast<std::uint64_t>(queued));
}

void Transport::close() {
  if (ReadyHook::is_linked()) ReadyHook::unlink();
  if (FlushHook::is_linked()) FlushHook::unlink();
  if (HandshakeHook::is_linked()) HandshakeHook::unlink();
  if (is_open()) {
    if (broken_ == 0 || !is_connecting_) {
      loop_.driver().remove(*this);
    } else {
      ::close(descriptor_);
    }
    descriptor_ = -1;
  }
  if (staged_) loop_.chunks().give(std::exchange(staged_, nullptr));
  staged_size_ = 0;
  output_.clear();
  kept_ = {};
  input_ = {};
  tls_.reset();
}

void Transport::close_with_reset() {
  if (is_open()) {
    const linger now{.l_onoff = 1, .l_linger = 0};
    setsockopt(descriptor_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  }
  close();
}

void Transport::driver_connected(int error) {
  if (error != 0) {
    driver_failed(error);
    return;
  }
  is_connecting_ = false;
  last_progress_ = loop_.now();
  if (tls_) {
    loop_.defer_handshake(*this);
    return;
  }
  is_connected_ = true;
  tell(*this, *user_, &User::on_connected);
}

void Transport::driver_received(std::span<const std::uint8_t> bytes) {
  bytes_received_ += bytes.size();
  if (!tls_) {
    take(bytes);
    return;
  }
  if (!tls_->is_handshake_complete()) {
    // A handshake may have to wait its turn, or for a certificate: its bytes wait in memory of our own.
    kept_.insert(kept_.end(), bytes.begin(), bytes.end());
    wants_input_ = kept_.size() < Loop::kReceiveBytes;
    loop_.defer_handshake(*this);
    return;
  }
  tls_->feed(bytes);
  read_tls();
}

void Transport::loop_handshake() {
  if (!is_open() || !tls_ || tls_->is_handshake_complete()) return;
  advance_handshake();
}

void Transport::advance_handshake() {
  tls_->feed(kept_);
  const auto step = tls_->handshake();
  const auto rest = tls_->input();
  kept_.erase(kept_.begin(), kept_.end() - static_cast<std::ptrdiff_t>(rest.size()));
  loop_.driver().send(*this, {});
  switch (step) {
    case TlsEngine::Step::kNeedsInput:
      if (at_end_)
        return fail(make_error(Reason::kBadHandshake, "the peer closed the connection during the handshake"));
      if (!is_client_ && bytes_received_ - kept_.size() > kHandshakeBytes)
        return fail(make_error(Reason::kBadHandshake, "the handshake is larger than 64 KiB"));
      want_input(true);
      return;
    case TlsEngine::Step::kNeedsCertificate:
      wants_input_ = false;
      return;
    case TlsEngine::Step::kClosed:
    case TlsEngine::Step::kFailed:
      return fail(tls_->error());
    case TlsEngine::Step::kDone:
      break;
  }
  is_connected_ = true;
  wants_input_ = false;
  auto early = std::exchange(kept_, {});
  tell(*this, *user_, &User::on_connected);
  if (!is_open()) return;
  tls_->feed(early);
  read_tls();
  // Wanted from within on_input(): the driver's receive is not on the stack here, so it would not look again.
  if (is_open() && wants_input()) loop_.driver().want_input(*this);
}

void Transport::read_tls() {
  const auto buffer = loop_.plain_buffer();
  std::size_t filled = 0;
  for (;;) {
    const auto [step, bytes] = tls_->read(buffer.subspan(filled));
    filled += bytes;
    if (step == TlsEngine::Step::kDone && filled < buffer.size()) continue;
    if (step == TlsEngine::Step::kClosed) at_end_ = true;
    if (step == TlsEngine::Step::kFailed) {
      const Error error = tls_->error();
      loop_.driver().send(*this, {});
      if (filled > 0) take(buffer.first(filled));
      if (is_open()) fail(error);
      return;
    }
    break;
  }
  // An answer of the engine's own (KeyUpdate) goes out with the rest.
  if (!output_.empty()) loop_.defer_flush(*this);
  if (filled > 0 || at_end_) take(buffer.first(filled));
}

void Transport::take(std::span<const std::uint8_t> plain) {
  if (input_.empty()) {
    kept_ = {};
    input_ = plain;
  } else if (!plain.empty()) {
    // Left-over input and what is new must be seen as one piece.
    const auto consumed = kept_.size() - input_.size();
    kept_.insert(kept_.end(), plain.begin(), plain.end());
    input_ = std::span<const std::uint8_t>(kept_).subspan(consumed);
  }
  taking_ = true;
  tell(*this, *user_, &User::on_input);
  taking_ = false;
  if (is_open() && is_connected_) keep_rest();
}

void Transport::keep_rest() {
  if (input_.empty()) {
    kept_ = {};
  } else if (kept_.empty()) {
    kept_.assign(input_.begin(), input_.end());
    input_ = kept_;
  }
}

void Transport::driver_deliver() {
  if (broken_ != 0) {
    if (!reads_before_failing()) {
      // The end came and its bytes wait for whoever reads them: only the output is lost.
      if (is_client_ && at_end_ && !input_.empty()) {
        drop_output();
      } else {
        driver_failed(broken_);
        return;
      }
    } else {
      readiness_.readable = true;  // the driver's receive comes next, and fails when it has read all there is
      drop_output();
    }
  }
  if (!deliver_again_ || !is_open()) return;
  deliver_again_ = false;
  if (is_connected_ && (!input_.empty() || at_end_)) take({});
}

void Transport::driver_end() {
  is_truncated_ = tls_ && !at_end_;
  at_end_ = true;
  if (tls_ && !tls_->is_handshake_complete()) {
    loop_.defer_handshake(*this);
    return;
  }
  take({});
}

void Transport::driver_peer_done() {
  if (std::exchange(readiness_.peer_done, true) || !watches_end_ || !is_connected_) return;
  tell(*this, *user_, &User::on_peer_done);
}

void Transport::driver_progressed(std::size_t bytes) {
  bytes_sent_ += bytes;
  last_progress_ = loop_.now();
}

void Transport::driver_sent() {
  if (was_blocked_ && is_open() && pending_output() < kHighWater / 2) {
    was_blocked_ = false;
    tell(*this, *user_, &User::on_writable);
  }
}

void Transport::driver_blocked() {
  tell(*this, *user_, &User::on_blocked);
}

// Nobody will take it: whoever waits to write more goes on, into the void, while what was received is read.
void Transport::drop_output() {
  if (staged_) loop_.chunks().give(std::exchange(staged_, nullptr));
  staged_size_ = 0;
  output_.clear();
  driver_sent();
}

void Transport::driver_send_failed(int error) {
  broken_ = error;
  loop_.driver().report_failure(*this);
}

void Transport::driver_failed(int error) {
  const auto reason = is_client_ ? (is_connected_ ? Reason::kUpstreamClosed : Reason::kUpstreamConnectFailed)
                                 : (is_connected_ ? Reason::kClientGone : Reason::kBadHandshake);
  fail(make_error(reason, std::strerror(error)));
}

void Transport::fail(const Error& error) {
  const Error told = error;  // the engine's error goes with the engine
  close();
  user_->on_failed(told);
}

}  // namespace hybridge
