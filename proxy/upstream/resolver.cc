#include "proxy/upstream/resolver.h"

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <map>
#include <mutex>
#include <utility>

#include "base/process_log.h"
#include "io/loop.h"

namespace hybridge {

namespace {
// A name that failed is not asked for again sooner than this, however many requests come for it.
constexpr auto kRetryAfter = std::chrono::seconds(1);
}  // namespace

struct Resolver::State {
  struct Asker {
    Loop* loop;
    std::function<void(const Answer&)> told;
  };
  struct Name {
    Answer answer;
    TimePoint looked_up{};
    bool has_answer = false;
    bool is_looking = false;
    TimePoint asked{};
    std::vector<Asker> askers;
  };

  State(Duration refresh_every, std::size_t threads, LookUp look)
      : refresh(refresh_every), look_up(std::move(look)), pool(threads) {}

  void run(const std::string& name);
  void tell(const Asker& asker, const Answer& answer) {
    asker.loop->post([told = asker.told, answer] { told(answer); });
  }
  void forget_unused(TimePoint now);

  const Duration refresh;
  const LookUp look_up;
  std::mutex mutex;
  std::map<std::string, Name, std::less<>> names;
  bool is_ending = false;
  boost::asio::thread_pool pool;
};

Resolver::Resolver(Duration refresh, std::size_t threads, LookUp look_up)
    : state_(std::make_unique<State>(refresh, threads, std::move(look_up))) {}

Resolver::~Resolver() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->is_ending = true;
  }
  state_->pool.stop();
  state_->pool.join();
}

void Resolver::ask(std::string_view name, Loop& loop, std::function<void(const Answer&)> told) {
  const auto now = Clock::now();
  const std::lock_guard lock(state_->mutex);
  auto at = state_->names.find(name);
  if (at == state_->names.end()) {
    state_->forget_unused(now);
    at = state_->names.emplace(std::string(name), State::Name{}).first;
  }
  auto& entry = at->second;
  entry.asked = now;
  const auto good_for = entry.answer.fault ? std::min<Duration>(kRetryAfter, state_->refresh) : state_->refresh;
  if (entry.has_answer && !entry.is_looking && now - entry.looked_up < good_for) {
    state_->tell({&loop, std::move(told)}, entry.answer);
    return;
  }
  entry.askers.push_back({&loop, std::move(told)});
  if (std::exchange(entry.is_looking, true)) return;
  boost::asio::post(state_->pool, [state = state_.get(), key = at->first] { state->run(key); });
}

void Resolver::State::run(const std::string& name) {
  {
    const std::lock_guard lock(mutex);
    if (is_ending) return;
  }
  auto found = look_up(name);
  const std::lock_guard lock(mutex);
  if (is_ending) return;
  auto& entry = names.find(name)->second;
  const bool had_failed = entry.answer.fault.has_value();
  entry.looked_up = Clock::now();
  entry.has_answer = true;
  entry.is_looking = false;
  if (found.has_value()) {
    if (had_failed) log::info("the name {} resolves again", name);
    entry.answer = {std::make_shared<const std::vector<Address>>(std::move(*found)), std::nullopt};
  } else {
    // Said once a failure, not once a look-up.
    if (!had_failed) {
      log::warn("{}{}", found.error().detail, entry.answer.addresses ? "; its last good addresses stay" : "");
    }
    entry.answer.fault = found.error();
  }
  for (const auto& asker : std::exchange(entry.askers, {})) tell(asker, entry.answer);
}

// Names come from the table of servers, which may drop them; whoever has not been asked for is old news.
void Resolver::State::forget_unused(TimePoint now) {
  std::erase_if(names, [&](const auto& item) {
    return !item.second.is_looking && now - item.second.asked > std::max<Duration>(10 * refresh, std::chrono::hours(1));
  });
}

Result<std::vector<Address>> Resolver::system_look_up(const std::string& name) {
  boost::asio::io_context context;
  boost::asio::ip::tcp::resolver resolver(context);
  boost::system::error_code error;
  const auto found = resolver.resolve(name, "", boost::asio::ip::resolver_base::flags{}, error);
  std::vector<Address> addresses;
  for (const auto& entry : found) {
    const auto endpoint = entry.endpoint();
    const auto address = Address::from_sockaddr(reinterpret_cast<const sockaddr*>(endpoint.data()),
                                                static_cast<socklen_t>(endpoint.size()));
    if (std::find(addresses.begin(), addresses.end(), address) == addresses.end()) addresses.push_back(address);
  }
  if (addresses.empty()) {
    return make_error(Reason::kUpstreamUnresolved,
                      "the name " + name + " does not resolve: " + (error ? error.message() : "it has no addresses"));
  }
  return addresses;
}

}  // namespace hybridge
