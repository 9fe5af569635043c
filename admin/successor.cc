#include "admin/successor.h"

#include <poll.h>
#include <pthread.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <future>
#include <memory>
#include <string_view>
#include <utility>

#include "base/process_log.h"

namespace hybridge {

namespace {
// The descriptor of the new process's end, over there.
constexpr int kTheirs = 3;
// Calls of the admin API that are under way have this long before the handover goes on without their end.
constexpr auto kCalls = std::chrono::seconds(5);
// A process whose end we have been told of is gone in a moment.
constexpr int kEndMilliseconds = 1'000;

// The environment as it is, but for what is one process's alone.
std::vector<std::string> environment_of_successor() {
  std::vector<std::string> kept;
  for (char** each = environ; *each; ++each) {
    const std::string_view entry(*each);
    // systemd watches the process that it names; the new one is named by MAINPID.
    if (entry.starts_with("WATCHDOG_PID=") || entry.starts_with(HandoverChannel::kVariable)) continue;
    kept.emplace_back(entry);
  }
  kept.push_back(std::string(HandoverChannel::kVariable).append("=").append(std::to_string(kTheirs)));
  return kept;
}

std::vector<char*> pointers_to(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (auto& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return pointers;
}

std::string how_it_ended(int status) {
  if (WIFSIGNALED(status)) return "was ended by signal " + std::to_string(WTERMSIG(status));
  return "ended with status " + std::to_string(WEXITSTATUS(status));
}

class SpawnSettings {
 public:
  explicit SpawnSettings(int theirs) {
    posix_spawn_file_actions_init(&actions_);
    posix_spawnattr_init(&attributes_);
    posix_spawn_file_actions_adddup2(&actions_, theirs, kTheirs);
    posix_spawn_file_actions_addclosefrom_np(&actions_, kTheirs + 1);
    // This thread has all signals blocked: they are the main thread's. There they are heard.
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_setsigmask(&attributes_, &none);
    posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK);
  }
  ~SpawnSettings() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }
  SpawnSettings(const SpawnSettings&) = delete;

  const posix_spawn_file_actions_t* actions() const { return &actions_; }
  const posix_spawnattr_t* attributes() const { return &attributes_; }

 private:
  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
};
}  // namespace

Successor::Successor(Sources sources, Ends ends, std::vector<std::string> command, HandoverOffer offer,
                     Duration timeout, Observer& observer)
    : sources_(sources),
      command_(std::move(command)),
      offer_(std::move(offer)),
      deadline_(Clock::now() + timeout),
      observer_(observer),
      channel_(std::move(ends.first)),
      theirs_(std::move(ends.second)) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { run(); });
  pthread_setname_np(thread_.native_handle(), "successor");
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Successor::~Successor() {
  stop();
}

void Successor::stop() {
  if (!thread_.joinable()) return;
  channel_.shut_down();
  thread_.join();
}

void Successor::run() {
  auto handed_over = hand_over();
  if (!handed_over) {
    const auto why = end_process(handed_over.error());
    if (is_frozen_) thaw();
    sources_.notifier.ready();
    is_under_way_ = false;
    observer_.on_handover_failed(why);
    return;
  }
  is_under_way_ = false;
  observer_.on_handed_over(process_);
  follow();
}

Result<void> Successor::hand_over() {
  sources_.notifier.reloading();
  if (auto started = start(); !started) return started;
  std::vector<int> descriptors;
  for (const auto* listening : {&sources_.edge.listening(), &sources_.admin.listening()}) {
    for (const auto& [name, numbers] : *listening) {
      offer_.sockets.emplace_back(name, numbers.size());
      descriptors.insert(descriptors.end(), numbers.begin(), numbers.end());
    }
  }
  if (auto sent = channel_.send(write_offer(offer_), descriptors, deadline_); !sent) return sent;
  if (auto prepared = await(HandoverWord::kPrepared); !prepared) return prepared;
  if (auto frozen = freeze(); !frozen) return frozen;
  if (auto said = say(HandoverWord::kFrozen, {sources_.store.lock_descriptor()}); !said) return said;
  if (auto serving = await(HandoverWord::kServing); !serving) return serving;
  // Before the new process says READY: a service manager listens to the main process only.
  sources_.notifier.main_process(process_);
  if (auto said = say(HandoverWord::kGone); !said) {
    sources_.notifier.main_process(::getpid());
    return said;
  }
  sources_.store.leave_lock();
  sources_.holds.retire([this](const std::string& window, std::uint64_t epoch) {
    tell({.word = HandoverWord::kDrained, .detail = window, .revision = epoch});
  });
  sources_.publisher.retire(make_error(
      Reason::kConflict, "this process has handed over to process " + std::to_string(process_) + ": send it again"));
  sources_.admin.retire();
  return {};
}

Result<void> Successor::start() {
  auto words = command_;
  auto environment = environment_of_successor();
  const SpawnSettings settings(theirs_.get());
  const int error = ::posix_spawn(&process_, command_.front().c_str(), settings.actions(), settings.attributes(),
                                  pointers_to(words).data(), pointers_to(environment).data());
  theirs_ = Descriptor();  // or its end would never be told
  if (error != 0) {
    process_ = -1;
    return make_error(Reason::kIo, command_.front() + " cannot be started: " + std::strerror(error));
  }
  return {};
}

Result<void> Successor::say(HandoverWord word, std::vector<int> descriptors) {
  return channel_.send(write_message({.word = word}), descriptors, deadline_);
}

Result<void> Successor::await(HandoverWord word) {
  const auto received = channel_.receive(deadline_);
  if (!received) return received.error();
  const auto message = read_message(received->text);
  if (!message) return message.error();
  if (message->word == HandoverWord::kFailed) return make_error(Reason::kInvalid, message->detail);
  if (message->word != word)
    return make_error(Reason::kInvalid, "the new process said something else than was its turn");
  return {};
}

// Nothing is written from here on, and no call of the admin API is begun: what the new process loads is the last word.
Result<void> Successor::freeze() {
  is_frozen_ = true;
  sources_.events.end();
  sources_.admin.pause(kCalls);
  const auto stored = std::make_shared<std::promise<void>>();
  sources_.holds.pause([this, stored] { sources_.publisher.pause([stored] { stored->set_value(); }); });
  if (stored->get_future().wait_until(deadline_) == std::future_status::ready) return {};
  return make_error(Reason::kIo, "the store did not finish its writes in time");
}

void Successor::thaw() {
  sources_.events.begin_again();
  sources_.publisher.resume();
  sources_.holds.resume();
  sources_.admin.resume();
}

// What became of it, with the reason why it does not take over.
Error Successor::end_process(Error why) {
  if (process_ < 0) return why;
  if (why.reason == HandoverChannel::kClosed) {
    const Descriptor process(static_cast<int>(::syscall(SYS_pidfd_open, process_, 0)));
    pollfd ended{.fd = process.get(), .events = POLLIN, .revents = 0};
    ::poll(&ended, 1, kEndMilliseconds);
  }
  int status = 0;
  const bool has_ended = ::waitpid(process_, &status, WNOHANG) == process_;
  if (!has_ended) {
    ::kill(process_, SIGKILL);
    ::waitpid(process_, &status, 0);
  }
  if (has_ended && why.reason == HandoverChannel::kClosed) {
    why.detail = "the new process " + how_it_ended(status) + " before it was ready (its own messages say why)";
  }
  return why;
}

// While requests still end here, they are judged by what the new process has made of the table.
void Successor::follow() {
  for (;;) {
    const auto received = channel_.receive(kNever);
    if (!received) return;
    auto message = read_message(received->text);
    if (!message) {
      log::error("a change of the process that has taken over is not followed: {}", message.error().detail);
      continue;
    }
    const auto revision = message->revision;
    switch (message->word) {
      case HandoverWord::kChange:
        sources_.publisher.follow(std::move(message->changes), revision,
                                  [this, revision] { tell({.word = HandoverWord::kLive, .revision = revision}); });
        break;
      case HandoverWord::kHolds:
        sources_.holds.follow([this, revision] { tell({.word = HandoverWord::kHeld, .revision = revision}); });
        break;
      case HandoverWord::kLook:
        sources_.holds.look(message->detail, [this, revision](std::vector<Straggler> found) {
          tell({.word = HandoverWord::kUnderWay, .revision = revision, .stragglers = std::move(found)});
        });
        break;
      case HandoverWord::kCut:
        sources_.holds.cut(message->detail, [this, revision](std::size_t cut) {
          tell({.word = HandoverWord::kUnderWay, .revision = revision, .cut = cut});
        });
        break;
      default:
        break;
    }
  }
}

// An end that nobody reads from any more is the new process's affair.
void Successor::tell(const HandoverMessage& message) {
  static_cast<void>(channel_.send(write_message(message), {}, Clock::now() + kCalls));
}

}  // namespace hybridge
