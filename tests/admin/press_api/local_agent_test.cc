// What Hybridge has no answer for, and the agent beside it has.
#include "admin/press_api/local_agent.h"

#include <gtest/gtest.h>

#include <mutex>
#include <thread>

#include "tests/admin/press_api/press_world.h"
#include "tests/support/peer.h"

namespace hybridge::test {
namespace {

using boost::json::parse;

// Answers its calls one after the other, each on a connection of its own.
class FakeAgent {
 public:
  explicit FakeAgent(std::vector<std::string> answers) : answers_(std::move(answers)) {
    thread_ = std::thread([this] {
      for (const auto& answer : answers_) {
        auto peer = server_.accept();
        auto head = peer.receive_until("\r\n\r\n");
        const auto length = head.find("Content-Length: ");
        head += peer.receive(static_cast<std::size_t>(std::stoul(head.substr(length + 16))));
        {
          const std::lock_guard lock(mutex_);
          calls_.push_back(head);
        }
        peer.send(answer);
      }
    });
  }
  ~FakeAgent() { thread_.join(); }

  const Address& address() const { return server_.address(); }
  std::string call(std::size_t index) {
    const std::lock_guard lock(mutex_);
    return index < calls_.size() ? calls_[index] : "";
  }

 private:
  std::vector<std::string> answers_;
  PeerServer server_;
  std::mutex mutex_;
  std::vector<std::string> calls_;
  std::thread thread_;
};

std::string json_answer(const std::string& status, const std::string& body) {
  return "HTTP/1.1 " + status + "\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\nConnection: close\r\n\r\n" + body;
}

class LocalAgentTest : public testing::Test {
 protected:
  void there_is(const Address& address) {
    auto config = std::make_shared<Config>();
    config->local_agent = address;
    world.config = std::move(config);
  }

  PressWorld world;
};

TEST_F(LocalAgentTest, IsGivenWhatHasNoAnswerHere) {
  FakeAgent agent({json_answer("200 OK", R"({"job":17})")});
  there_is(agent.address());
  const auto answer = world.call("POST", "/ssh//users?x=1", R"({"name":"bench"})", "aaaa000001");
  EXPECT_EQ(answer->status(), 200);
  EXPECT_EQ(answer->body(), R"({"job":17})");
  const auto call = agent.call(0);
  EXPECT_TRUE(call.starts_with("POST /ssh/users?x=1 HTTP/1.0\r\n")) << call;
  EXPECT_NE(call.find("\r\nAuthorization: bearer secret\r\n"), std::string::npos) << call;
  EXPECT_NE(call.find("\r\nX-Agent-Job-Id: aaaa000001\r\n"), std::string::npos) << call;
  EXPECT_TRUE(
      call.ends_with("\r\n\r\n"
                     R"({"name":"bench"})"))
      << call;
}

TEST_F(LocalAgentTest, HearsNothingOfWhatIsAnsweredHere) {
  PeerServer agent;
  there_is(agent.address());
  const auto job = world.post("ping_job", "{}");
  EXPECT_EQ(world.story(job), "Success: Ping Step");
  EXPECT_EQ(world.call("PUT", "ping")->status(), 405);
  EXPECT_EQ(world.call({.target = "/agent/ssh/users"})->status(), 401);
  EXPECT_FALSE(agent.has_caller());
}

TEST_F(LocalAgentTest, IsAskedForJobsThatAreItsOwn) {
  FakeAgent agent({json_answer("200 OK", R"([{"id":17}])"), json_answer("200 OK", R"({"id":17})"),
                   json_answer("500 Internal Server Error", R"({"error":["Traceback"]})")});
  there_is(agent.address());
  const auto own = world.post("ping_job", "{}");
  const auto both = parse(world.call("GET", "jobs/17," + std::to_string(own))->body()).as_array();
  ASSERT_EQ(both.size(), 2u);
  EXPECT_EQ(both[0].at("id").as_int64(), own);
  EXPECT_EQ(both[1].at("id").as_int64(), 17);
  EXPECT_EQ(world.call("GET", "jobs/17")->body(), R"({"id":17})");
  EXPECT_EQ(world.call("GET", "jobs/18")->status(), 404);
}

TEST_F(LocalAgentTest, IsNeverAnExcuseForWhatIsNotJson) {
  FakeAgent agent({"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\n\r\n<html>", "nonsense"});
  there_is(agent.address());
  for (int i = 0; i < 2; ++i) {
    const auto answer = world.call("POST", "proxysql/users", "{}");
    EXPECT_EQ(answer->status(), 502);
    EXPECT_EQ(code_of(*answer), "local_agent");
    EXPECT_FALSE(parse(answer->body()).at("error").as_array().empty());
  }
}

TEST_F(LocalAgentTest, MayBeDown) {
  PeerServer agent;
  there_is(agent.address());
  agent.stop();
  const auto answer = world.call("POST", "ssh/users", "{}");
  EXPECT_EQ(answer->status(), 502);
  EXPECT_NE(answer->body().find("cannot be reached"), std::string::npos) << answer->body();
  EXPECT_EQ(world.call("GET", "jobs/17")->status(), 502);  // it may be its job: nobody can tell
  EXPECT_EQ(world.call("GET", "jobs/17,18")->body(), "[]");
}

}  // namespace
}  // namespace hybridge::test
