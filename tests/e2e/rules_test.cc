// What operators' rules do to requests (routing/rule.h).
#include <gtest/gtest.h>

#include "routing/snapshot_json.h"
#include "tests/support/edge_world.h"

namespace hybridge::test {
namespace {

// The table of EdgeWorld::serve() with rules.
void serve(EdgeWorld& world, const PeerServer& upstream, const std::string& rules) {
  world.serve(upstream);
  const auto read = read_snapshot(R"j({"rules":)j" + rules + "}");
  ASSERT_TRUE(read.faults.empty()) << read.faults.kept().front().path << read.faults.kept().front().message;
  Snapshot::Builder builder(world.snapshot());
  for (const auto& rule : *read.snapshot.rules()) builder.set_rule(*rule);
  world.publish(std::move(builder));
}

TEST(Rules, DenyWhatTheyMatchHoweverItIsSpelled) {
  EdgeWorld world;
  PeerServer upstream;
  serve(world, upstream, R"j([{"id":"no-admin","match":{"path":"^/admin(/|$)"},"deny":{"status":404}}])j");
  auto client = world.connect();
  for (const auto* target : {"/admin", "/%61dmin", "//admin/x", "/app/../admin?x=/app"}) {
    client.send(get(target));
    const auto answer = client.response();
    EXPECT_EQ(answer.status, 404) << target;
    EXPECT_EQ(answer.field("X-Hybridge-Reason"), "rule_denied");
  }
  EXPECT_FALSE(upstream.has_caller());
  EXPECT_EQ(world.ended(Reason::kRuleDenied), 4U);
  world.stop();
  EXPECT_NE(world.log_lines().front().find(R"("rule":"no-admin")"), std::string::npos);
}

TEST(Rules, LeaveOtherRequestsAlone) {
  EdgeWorld world;
  PeerServer upstream;
  serve(world, upstream, R"j([{"id":"r","match":{"path":"^/admin","method":"^POST$"},"deny":{}}])j");
  auto client = world.connect();
  client.send(get("/admin"));
  auto server = upstream.accept();
  server.receive_until("\r\n\r\n");
  server.send(ok("fine"));
  EXPECT_EQ(client.response().body, "fine");
}

TEST(Rules, RedirectWithPartsOfThePathAndTheQuery) {
  EdgeWorld world;
  PeerServer upstream;
  serve(world, upstream,
        R"j([{"id":"r","match":{"path":"^/old/(.*)"},"redirect":{"to":"https://b.test/new/\\1","status":301}}])j");
  auto client = world.connect();
  client.send(get("/old/%0d%0aX:y/z?a=1"));
  const auto answer = client.response();
  EXPECT_EQ(answer.status, 301);
  EXPECT_EQ(answer.field("Location"), "https://b.test/new/%0D%0AX:y/z?a=1");
  EXPECT_EQ(answer.field("X-Hybridge-Reason"), "rule_redirect");
}

TEST(Rules, SetFieldsOfRequestsAndOfAnswers) {
  EdgeWorld world;
  PeerServer upstream;
  serve(world, upstream, R"j([
      {"id":"a","match":{"header":{"User-Agent":"(?i)bot"}},"header":{"name":"X-Robots","value":"yes"}},
      {"id":"b","match":{},"header":{"name":"X-Frame-Options","value":"DENY","on":"response"}}])j");
  auto client = world.connect();
  client.send(get("/", "User-Agent: SomeBOT\r\nx-robots: lie\r\n"));
  auto server = upstream.accept();
  const auto request = server.receive_until("\r\n\r\n");
  EXPECT_NE(request.find("X-Robots: yes\r\n"), std::string::npos) << request;
  EXPECT_EQ(request.find("x-robots: lie"), std::string::npos);
  server.send(ok("fine"));
  const auto answer = client.response();
  EXPECT_EQ(answer.field("X-Frame-Options"), "DENY");
  EXPECT_EQ(answer.head.find("SAMEORIGIN"), std::string::npos);
}

TEST(Rules, LimitASiteOverAllWorkers) {
  EdgeWorld world({.workers = 2});
  PeerServer upstream;
  serve(world, upstream, R"j([{"id":"slow","match":{"path":"^/login"},"limit":{"requests":1,"per":"hour"}}])j");
  auto first = world.connect();
  first.send(get("/login"));
  auto server = upstream.accept();
  server.receive_until("\r\n\r\n");
  server.send(ok("in"));
  EXPECT_EQ(first.response().status, 200);
  // New connections fall to either worker.
  for (int i = 0; i < 8; ++i) {
    auto other = world.connect();
    other.send(get("/login"));
    const auto answer = other.response();
    EXPECT_EQ(answer.status, 429);
    EXPECT_EQ(answer.field("X-Hybridge-Reason"), "rule_limited");
    EXPECT_GT(std::stoi(std::string(answer.field("Retry-After"))), 3500);
  }
}

TEST(Rules, NameTheClassOfARequestForTheLog) {
  EdgeWorld world;
  PeerServer upstream;
  serve(world, upstream,
        R"j([{"id":"a","match":{"path":"^/api"},"class":"api"},{"id":"b","match":{},"class":"other"}])j");
  auto client = world.connect();
  client.send(get("/api/x"));
  auto server = upstream.accept();
  server.receive_until("\r\n\r\n");
  server.send(ok("fine"));
  EXPECT_EQ(client.response().status, 200);
  world.stop();
  EXPECT_NE(world.log_lines().front().find(R"j("class":"api")j"), std::string::npos);
}

TEST(Rules, AreGoneWhenTheyAreTakenAway) {
  EdgeWorld world;
  PeerServer upstream;
  serve(world, upstream, R"j([{"id":"r","match":{},"deny":{}}])j");
  auto client = world.connect();
  client.send(get("/"));
  EXPECT_EQ(client.response().status, 403);
  Snapshot::Builder builder(world.snapshot());
  builder.erase_rule("r");
  world.publish(std::move(builder));
  client.send(get("/"));
  auto server = upstream.accept();
  server.receive_until("\r\n\r\n");
  server.send(ok("fine"));
  EXPECT_EQ(client.response().status, 200);
}

}  // namespace
}  // namespace hybridge::test
