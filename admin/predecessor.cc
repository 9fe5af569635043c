#include "admin/predecessor.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <limits>
#include <utility>

#include "base/process_log.h"

namespace hybridge {

namespace {
// The old process has a deadline of its own for all of it (upgrade_timeout) and ends this one when it is over. This
// bound is for one that is stopped, or hangs.
constexpr auto kPatience = std::chrono::minutes(10);
// For a word that needs no answer: the socket has room for it unless nobody reads.
constexpr auto kMoment = std::chrono::seconds(1);
constexpr int kEndMilliseconds = 10'000;

bool is_closed(const Error& error) {
  return error.reason == HandoverChannel::kClosed;
}
// A process closes its descriptors one by one while it dies: until the last has gone it may still hold a lock.
void await_end(pid_t process) {
  const Descriptor descriptor(static_cast<int>(::syscall(SYS_pidfd_open, process, 0)));
  if (!descriptor.is_open()) return;  // it has ended
  pollfd ended{.fd = descriptor.get(), .events = POLLIN, .revents = 0};
  ::poll(&ended, 1, kEndMilliseconds);
}
}  // namespace

Result<std::unique_ptr<Predecessor>> Predecessor::from_environment() {
  const char* const number = std::getenv(HandoverChannel::kVariable);
  if (!number) return std::unique_ptr<Predecessor>();
  ::unsetenv(HandoverChannel::kVariable);  // it is not for who is started from here
  const int descriptor = std::atoi(number);
  if (descriptor < 3 || ::fcntl(descriptor, F_SETFD, FD_CLOEXEC) < 0) {
    return make_error(Reason::kInvalid,
                      std::string(HandoverChannel::kVariable) + "=" + number +
                          " names no socket: it is set by a hybridge that hands over, by nobody else");
  }
  std::unique_ptr<Predecessor> self(new Predecessor(Descriptor(descriptor)));
  auto message = self->channel_.receive(Clock::now() + kPatience);
  if (!message) return message.error();
  auto offer = read_offer(message->text);
  if (!offer) return offer.error();
  self->offer_ = std::move(*offer);
  std::size_t next = 0;
  for (const auto& [name, count] : self->offer_.sockets) {
    for (std::size_t i = 0; i < count && next < message->descriptors.size(); ++i, ++next) {
      self->sockets_.add(name, std::move(message->descriptors[next]));
    }
  }
  return self;
}

Predecessor::~Predecessor() {
  stop();
}

void Predecessor::stop() {
  if (!hearing_.joinable()) return;
  channel_.shut_down();
  hearing_.join();
}

Result<HandoverMessage> Predecessor::await(HandoverWord word) {
  auto received = channel_.receive(Clock::now() + kPatience);
  if (!received) return received.error();
  auto message = read_message(received->text);
  if (message && message->word != word) return make_error(Reason::kInvalid, "the other process said something else");
  return message;
}

Result<Descriptor> Predecessor::prepared() {
  const auto said = write_message({.word = HandoverWord::kPrepared});
  auto sent = channel_.send(said, {}, Clock::now() + kMoment);
  Result<HandoverChannel::Message> received =
      sent ? channel_.receive(Clock::now() + kPatience) : Result<HandoverChannel::Message>(sent.error());
  if (!received && is_closed(received.error())) {
    log::warn("the process that was handing over is gone: this one takes its place");
    await_end(static_cast<pid_t>(offer_.pid));  // so that what it held is free
    has_gone();
    return Descriptor();
  }
  if (!received) return received.error();
  const auto message = read_message(received->text);
  if (!message) return message.error();
  if (message->word != HandoverWord::kFrozen || received->descriptors.size() != 1) {
    return make_error(Reason::kInvalid, "the old process did not hand over the lock of its store");
  }
  return std::move(received->descriptors.front());
}

void Predecessor::serving() {
  if (!is_there()) return;
  const auto sent = channel_.send(write_message({.word = HandoverWord::kServing}), {}, Clock::now() + kMoment);
  const auto gone = sent ? await(HandoverWord::kGone) : Result<HandoverMessage>(sent.error());
  if (!gone) {
    log::warn("the process that was handing over is gone: {}", gone.error().detail);
    has_gone();
    return;
  }
  hearing_ = std::thread([this] { hear(); });
  pthread_setname_np(hearing_.native_handle(), "predecessor");
}

void Predecessor::failed(const std::string& why) {
  static_cast<void>(
      channel_.send(write_message({.word = HandoverWord::kFailed, .detail = why}), {}, Clock::now() + kMoment));
}

bool Predecessor::is_there() const {
  const std::lock_guard lock(mutex_);
  return is_there_;
}

void Predecessor::tell(std::uint64_t revision, const std::vector<Change>& changes, std::function<void()> done) {
  {
    const std::lock_guard lock(mutex_);
    if (is_there_) untaken_.emplace(revision, std::exchange(done, nullptr));
  }
  if (done) return done();
  send({.word = HandoverWord::kChange, .revision = revision, .changes = changes});
}

void Predecessor::tell_holds(std::function<void()> done) {
  std::uint64_t number = 0;
  {
    const std::lock_guard lock(mutex_);
    number = ++holds_told_;
    if (is_there_) untaken_holds_.emplace(number, std::exchange(done, nullptr));
  }
  if (done) return done();
  send({.word = HandoverWord::kHolds, .revision = number});
}

void Predecessor::ask(HandoverWord word, const std::string& window, std::function<void(HandoverMessage)> done) {
  std::uint64_t number = 0;
  {
    const std::lock_guard lock(mutex_);
    number = ++asked_;
    if (is_there_) unanswered_.emplace(number, std::exchange(done, nullptr));
  }
  if (done) return done({.word = HandoverWord::kUnderWay});
  send({.word = word, .detail = window, .revision = number});
}

void Predecessor::send(const HandoverMessage& message) {
  const auto sent = channel_.send(write_message(message), {}, Clock::now() + kMoment);
  if (sent) return;
  if (!is_closed(sent.error())) {
    log::error("the process before this one does not hear of changes any more: {}", sent.error().detail);
  }
  channel_.shut_down();
}

void Predecessor::taken(Untaken& told, std::uint64_t number) {
  std::vector<std::function<void()>> done;
  {
    const std::lock_guard lock(mutex_);
    const auto end = told.upper_bound(number);
    for (auto each = told.begin(); each != end; ++each) done.push_back(std::move(each->second));
    told.erase(told.begin(), end);
  }
  for (const auto& tell : done) tell();
}

void Predecessor::answered(HandoverMessage message) {
  std::function<void(HandoverMessage)> done;
  {
    const std::lock_guard lock(mutex_);
    if (auto found = unanswered_.extract(message.revision)) done = std::move(found.mapped());
  }
  if (done) done(std::move(message));
}

void Predecessor::hear() {
  for (;;) {
    auto received = channel_.receive(kNever);
    auto message = received ? read_message(received->text) : Result<HandoverMessage>(received.error());
    if (!message) break;
    if (message->word == HandoverWord::kLive) taken(untaken_, message->revision);
    if (message->word == HandoverWord::kHeld) taken(untaken_holds_, message->revision);
    if (message->word == HandoverWord::kDrained && listener_) {
      listener_->on_drained_there(message->detail, message->revision);
    }
    if (message->word == HandoverWord::kUnderWay) answered(std::move(*message));
  }
  has_gone();
}

void Predecessor::has_gone() {
  decltype(unanswered_) unanswered;
  {
    const std::lock_guard lock(mutex_);
    is_there_ = false;
    unanswered.swap(unanswered_);
  }
  for (auto* told : {&untaken_, &untaken_holds_}) taken(*told, std::numeric_limits<std::uint64_t>::max());
  for (const auto& [number, done] : unanswered) done({.word = HandoverWord::kUnderWay});
  if (listener_) listener_->on_gone();
}

}  // namespace hybridge
