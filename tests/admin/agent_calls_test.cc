#include "admin/agent_calls.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <string>
#include <vector>

namespace hybridge {
namespace {

using namespace std::chrono_literals;
using Kind = AgentCall::Kind;

// Windows that are written down; begin is granted, and drained when the test says so.
class Book final : public AgentCalls::Windows {
 public:
  void begin(std::string site, std::string key, std::function<void(std::optional<std::string>)> done) override {
    note("begin " + site + " " + key);
    done(grants ? std::optional<std::string>("h-1") : std::nullopt);
  }
  void await_drained(std::string, std::function<void()> done) override {
    if (drains) return done();
    note("drain");
  }
  void renew(const std::string& site, const std::string& key) override { note("renew " + site + " " + key); }
  void end(const std::string& site, const std::string& key, bool went_well) override {
    note((went_well ? "end " : "abort ") + site + " " + key);
  }

  void note(std::string what) {
    const std::lock_guard lock(mutex_);
    notes_.push_back(std::move(what));
    changed_.notify_all();
  }
  // Waits for it, and takes it out.
  bool has(const std::string& what) {
    std::unique_lock lock(mutex_);
    const auto find = [&] { return std::find(notes_.begin(), notes_.end(), what); };
    if (!changed_.wait_for(lock, 10s, [&] { return find() != notes_.end(); })) return false;
    notes_.erase(find());
    return true;
  }
  bool is_empty() {
    const std::lock_guard lock(mutex_);
    return notes_.empty();
  }

  std::atomic<bool> grants{true};
  std::atomic<bool> drains{true};

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> notes_;
};

class AgentCallsTest : public testing::Test {
 protected:
  AgentCallSeen call(Kind kind, std::string credential = "press") {
    AgentCallSeen seen;
    seen.kind = kind;
    seen.site = "a.test";
    seen.server = "203.0.113.7";
    seen.credential = std::move(credential);
    seen.id = std::to_string(++ids);
    return seen;
  }
  void before(const AgentCallSeen& seen) {
    calls.before(seen, [this] { book.note("forward"); });
  }
  // The server has taken the credential.
  void prove() { calls.after(call(Kind::kOther), 200, "{}"); }
  // An update that has begun as job 7.
  void update() {
    prove();
    const auto seen = call(Kind::kBegins);
    before(seen);
    ASSERT_TRUE(book.has("forward"));
    calls.after(seen, 200, R"({"job":7})");
    ASSERT_TRUE(book.has("begin a.test 203.0.113.7/7"));
    ASSERT_TRUE(book.has("end a.test call " + seen.id));
  }
  void poll(std::string body) { calls.after(call(Kind::kJobs), 200, std::move(body)); }

  Book book;
  int ids = 0;
  AgentCalls calls{
      book,
      [](const std::string& site, const std::string& server) { return site == "a.test" && server == "203.0.113.7"; },
      {.drain = 50ms, .grace = 50ms, .activation = 50ms}};
};

TEST_F(AgentCallsTest, HoldsTheSiteBeforeACallThatStopsItIsForwarded) {
  prove();
  const auto seen = call(Kind::kBegins);
  before(seen);
  EXPECT_TRUE(book.has("begin a.test call " + seen.id));
  EXPECT_TRUE(book.has("forward"));
}

TEST_F(AgentCallsTest, WaitsForTheDrainAtMostSoLong) {
  book.drains = false;
  prove();
  before(call(Kind::kBegins));
  EXPECT_TRUE(book.has("drain"));
  EXPECT_TRUE(book.has("forward"));
}

TEST_F(AgentCallsTest, ForwardsAtOnceWhatStopsNothing) {
  prove();
  before(call(Kind::kJobs));
  EXPECT_TRUE(book.has("forward"));
  EXPECT_TRUE(book.is_empty());
}

TEST_F(AgentCallsTest, HoldsNothingForACallerWhoseCredentialIsNotProven) {
  const auto seen = call(Kind::kBegins, "stranger");
  before(seen);
  EXPECT_TRUE(book.has("forward"));
  calls.after(seen, 401, R"({"message":"Unauthenticated"})");
  before(call(Kind::kBegins, "stranger"));
  EXPECT_TRUE(book.has("forward"));
  EXPECT_TRUE(book.is_empty());
}

TEST_F(AgentCallsTest, HoldsFromTheAnswerOnWhereTheCredentialProvesToBeGood) {
  const auto seen = call(Kind::kBegins);
  before(seen);
  EXPECT_TRUE(book.has("forward"));
  calls.after(seen, 200, R"({"job":7})");
  EXPECT_TRUE(book.has("begin a.test 203.0.113.7/7"));
}

TEST_F(AgentCallsTest, HoldsNoSiteThatIsNotOnThatServer) {
  prove();
  auto seen = call(Kind::kBegins);
  seen.site = "b.test";
  before(seen);
  EXPECT_TRUE(book.has("forward"));
  calls.after(seen, 200, R"({"job":7})");
  before(call(Kind::kOther));
  EXPECT_TRUE(book.has("forward"));
  EXPECT_TRUE(book.is_empty());
}

TEST_F(AgentCallsTest, EndsItWhereTheServerRefusesTheCall) {
  prove();
  const auto seen = call(Kind::kBegins);
  before(seen);
  ASSERT_TRUE(book.has("forward"));
  calls.after(seen, 500, "{}");
  EXPECT_TRUE(book.has("abort a.test call " + seen.id));
}

TEST_F(AgentCallsTest, EndsItWhereNoAnswerComes) {
  prove();
  const auto seen = call(Kind::kBegins);
  before(seen);
  ASSERT_TRUE(book.has("forward"));
  calls.after(seen, 0, "");
  EXPECT_TRUE(book.has("abort a.test call " + seen.id));
}

TEST_F(AgentCallsTest, EndsItWhenTheJobHasStartedTheSiteAgain) {
  update();
  poll(R"({"id":7,"status":"Running","steps":[{"name":"Enable Maintenance Mode","status":"Success"}]})");
  EXPECT_TRUE(book.has("renew a.test 203.0.113.7/7"));
  poll(R"([{"id":6,"status":"Success"},
           {"id":7,"status":"Running","steps":[{"name":"Disable Maintenance Mode","status":"Success"}]}])");
  EXPECT_TRUE(book.has("end a.test 203.0.113.7/7"));
}

TEST_F(AgentCallsTest, EndsItWithAJobThatHasNoSuchStep) {
  update();
  poll(R"({"id":7,"status":"Success","steps":[{"name":"Move Site","status":"Success"}]})");
  EXPECT_TRUE(book.has("end a.test 203.0.113.7/7"));
}

TEST_F(AgentCallsTest, KeepsItAWhileAfterAFailure) {
  update();
  poll(R"({"id":7,"status":"Failure"})");
  EXPECT_TRUE(book.has("abort a.test 203.0.113.7/7"));
}

TEST_F(AgentCallsTest, PassesItOnToTheCallThatPutsThingsRight) {
  update();
  poll(R"({"id":7,"status":"Failure"})");
  const auto recover = call(Kind::kRecovers);
  before(recover);
  EXPECT_TRUE(book.has("begin a.test call " + recover.id));
  calls.after(recover, 200, R"({"job":8})");
  EXPECT_TRUE(book.has("begin a.test 203.0.113.7/8"));
  EXPECT_TRUE(book.has("abort a.test 203.0.113.7/7")) << "whose claim ends, and no other";
  poll(R"({"id":8,"status":"Success","steps":[{"name":"Disable Maintenance Mode","status":"Success"}]})");
  EXPECT_TRUE(book.has("end a.test 203.0.113.7/8"));
}

TEST_F(AgentCallsTest, KeepsADeactivatedSiteUntilItIsActivated) {
  AgentCalls patient(book, [](const std::string&, const std::string&) { return true; }, {.activation = 1h});
  auto seen = call(Kind::kBegins);
  seen.stays_stopped = true;
  patient.after(seen, 200, R"({"job":7})");
  EXPECT_TRUE(book.has("begin a.test 203.0.113.7/7"));
  patient.after(call(Kind::kJobs), 200, R"({"id":7,"status":"Success"})");
  EXPECT_TRUE(book.has("renew a.test 203.0.113.7/7"));
  patient.after(call(Kind::kActivates), 200, R"({"job":9})");
  patient.after(call(Kind::kJobs), 200,
                R"({"id":9,"status":"Running","steps":[{"name":"Disable Maintenance Mode","status":"Success"}]})");
  EXPECT_TRUE(book.has("end a.test "));
}

TEST_F(AgentCallsTest, EndsItSoonAfterAnActivationWhoseJobNobodyAsksFor) {
  update();
  calls.after(call(Kind::kActivates), 200, R"({"job":9})");
  EXPECT_TRUE(book.has("end a.test "));
}

TEST_F(AgentCallsTest, FollowsTheConfiguration) {
  prove();
  auto seen = call(Kind::kConfig);
  seen.stops = true;
  before(seen);
  EXPECT_TRUE(book.has("begin a.test call " + seen.id));
  calls.after(seen, 200, R"({"job":7})");
  EXPECT_TRUE(book.has("begin a.test 203.0.113.7/7"));
  poll(R"({"id":7,"status":"Success"})");
  EXPECT_TRUE(book.has("renew a.test 203.0.113.7/7")) << "the job is over, the maintenance is not";
  seen = call(Kind::kConfig);
  calls.after(seen, 200, R"({"job":8})");
  EXPECT_TRUE(book.has("end a.test "));
}

TEST_F(AgentCallsTest, BelievesACredentialForTenMinutes) {
  AgentCalls forgetful(book, [](const std::string&, const std::string&) { return true; }, {.proof = 0s});
  forgetful.after(call(Kind::kOther), 200, "{}");
  forgetful.before(call(Kind::kBegins), [this] { book.note("forward"); });
  EXPECT_TRUE(book.has("forward"));
  EXPECT_TRUE(book.is_empty());
}

TEST_F(AgentCallsTest, KnowsJobsOfBeforeARestart) {
  calls.resume("a.test", "203.0.113.7/7");
  poll(R"({"id":7,"status":"Running","steps":[{"name":"Disable Maintenance Mode","status":"Success"}]})");
  EXPECT_TRUE(book.has("end a.test 203.0.113.7/7"));
}

}  // namespace
}  // namespace hybridge
