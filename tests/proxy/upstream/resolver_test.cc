#include "proxy/upstream/resolver.h"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>

#include "tests/support/loop_runner.h"
#include "tests/support/upstream_world.h"

namespace hybridge {
namespace {

using namespace std::chrono_literals;
using test::LoopRunner;
using test::Names;

class Asked {
 public:
  Asked(Resolver& resolver, LoopRunner& runner, std::string_view name) : runner_(runner) {
    resolver.ask(name, runner.loop(), [this](const Resolver::Answer& answer) { answer_ = answer; });
  }
  const Resolver::Answer& answer() {
    runner_.until([this] { return answer_.has_value(); });
    return *answer_;
  }

 private:
  LoopRunner& runner_;
  std::optional<Resolver::Answer> answer_;
};

std::string ip(const Resolver::Answer& answer) {
  return answer.addresses ? answer.addresses->front().ip() : "none";
}

TEST(Resolver, TellsTheAddressesOnTheAskersLoop) {
  Names names;
  names.set("f1.test", {"127.0.0.9"});
  LoopRunner runner;
  Resolver resolver(30s, 1, [&](const std::string& name) { return names.look_up(name); });
  Asked asked(resolver, runner, "f1.test");
  EXPECT_EQ(ip(asked.answer()), "127.0.0.9");
  EXPECT_FALSE(asked.answer().fault);
}

TEST(Resolver, SaysWhyANameLeadsNowhere) {
  Names names;
  LoopRunner runner;
  Resolver resolver(30s, 1, [&](const std::string& name) { return names.look_up(name); });
  Asked asked(resolver, runner, "nowhere.test");
  EXPECT_EQ(asked.answer().addresses, nullptr);
  ASSERT_TRUE(asked.answer().fault);
  EXPECT_EQ(asked.answer().fault->reason, Reason::kUpstreamUnresolved);
}

TEST(Resolver, LooksUpOnceForAllWhoAskWithinTheRefreshTime) {
  Names names;
  names.set("f1.test", {"127.0.0.9"});
  LoopRunner runner;
  LoopRunner other;
  Resolver resolver(30s, 2, [&](const std::string& name) { return names.look_up(name); });
  Asked first(resolver, runner, "f1.test");
  Asked second(resolver, other, "f1.test");
  first.answer();
  second.answer();
  Asked third(resolver, runner, "f1.test");
  EXPECT_EQ(ip(third.answer()), "127.0.0.9");
  EXPECT_EQ(names.asked(), 1);
}

TEST(Resolver, LooksUpAgainWhenTheAnswerIsOld) {
  Names names;
  names.set("f1.test", {"127.0.0.9"});
  LoopRunner runner;
  Resolver resolver(0s, 1, [&](const std::string& name) { return names.look_up(name); });
  EXPECT_EQ(ip(Asked(resolver, runner, "f1.test").answer()), "127.0.0.9");
  names.set("f1.test", {"127.0.0.10"});
  EXPECT_EQ(ip(Asked(resolver, runner, "f1.test").answer()), "127.0.0.10");
}

TEST(Resolver, KeepsTheLastGoodAddressesWhenALookUpFails) {
  Names names;
  names.set("f1.test", {"127.0.0.9"});
  LoopRunner runner;
  Resolver resolver(0s, 1, [&](const std::string& name) { return names.look_up(name); });
  Asked(resolver, runner, "f1.test").answer();
  names.set("f1.test", {});
  Asked asked(resolver, runner, "f1.test");
  EXPECT_EQ(ip(asked.answer()), "127.0.0.9");
  EXPECT_TRUE(asked.answer().fault);
}

TEST(Resolver, ASlowNameDoesNotKeepOthersWaiting) {
  std::mutex mutex;
  std::condition_variable released;
  bool is_released = false;
  LoopRunner runner;
  Resolver resolver(30s, 2, [&](const std::string& name) -> Result<std::vector<Address>> {
    if (name == "slow.test") {
      std::unique_lock lock(mutex);
      released.wait(lock, [&] { return is_released; });
    }
    return std::vector<Address>{*Address::parse("127.0.0.9", 0)};
  });
  Asked slow(resolver, runner, "slow.test");
  EXPECT_EQ(ip(Asked(resolver, runner, "f1.test").answer()), "127.0.0.9");
  {
    const std::lock_guard lock(mutex);
    is_released = true;
  }
  released.notify_all();
  EXPECT_EQ(ip(slow.answer()), "127.0.0.9");
}

TEST(Resolver, AsksTheSystemForNamesItKnows) {
  const auto found = Resolver::system_look_up("localhost");
  ASSERT_TRUE(found.has_value());
  for (const auto& address : *found) EXPECT_TRUE(address.is_loopback()) << address.to_string();
  // Longer than any name may be: refused without a question to any server.
  const auto missing = Resolver::system_look_up(std::string(300, 'x'));
  ASSERT_FALSE(missing.has_value());
  EXPECT_EQ(missing.error().reason, Reason::kUpstreamUnresolved);
  EXPECT_NE(missing.error().detail.find("xxx does not resolve"), std::string::npos) << missing.error().detail;
}

}  // namespace
}  // namespace hybridge
