// Requests of a held site, through the whole edge: who waits, who does not, and how they go on.
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "proxy/hold_preview.h"
#include "tests/support/hold_world.h"
#include "tests/support/origin.h"

namespace hybridge::test {
namespace {

using namespace std::chrono_literals;

const std::string kJson = "Accept: application/json\r\n";
const std::string kHtml = "Accept: text/html\r\n";

TEST(Holds, KeepARequestFromItsServerUntilTheyAreReleased) {
  PeerServer upstream;
  HoldWorld world;
  world.edge_world.serve(upstream);
  world.hold();
  auto client = world.edge_world.connect();
  client.send(get("/app"));
  world.await_waiting(1);
  EXPECT_FALSE(upstream.has_caller());
  world.release();
  auto server = upstream.accept();
  EXPECT_TRUE(server.receive_until("\r\n\r\n").starts_with("GET /app HTTP/1.1\r\n"));
  server.send(ok("done"));
  EXPECT_EQ(client.response().body, "done");
  EXPECT_TRUE(eventually([&] { return world.emptied == world.terms.epoch; }));
  EXPECT_EQ(world.counts().of(HoldOutcome::kReleased), 1u);
}

TEST(Holds, LeaveTheBodyWithTheClientUntilTheyAreReleased) {
  PeerServer upstream;
  HoldWorld world;
  world.edge_world.serve(upstream);
  world.hold();
  auto client = world.edge_world.connect();
  client.send("POST /save HTTP/1.1\r\nHost: a.test\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
  world.await_waiting(1);
  EXPECT_FALSE(client.has_input());  // no 100 yet
  world.release();
  auto server = upstream.accept();
  server.receive_until("\r\n\r\n");
  EXPECT_EQ(client.receive_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  client.send("body");
  EXPECT_EQ(server.receive(4), "body");
  server.send(ok("saved"));
  EXPECT_EQ(client.response().body, "saved");
}

TEST(Holds, AreNoBusinessOfOtherSites) {
  Origin origin(ok("other"));
  HoldWorld world;
  world.edge_world.set_server("f1.test", {origin.address()});
  world.edge_world.set_site("a.test", "f1.test");
  world.edge_world.set_site("b.test", "f1.test");
  world.hold();
  auto client = world.edge_world.connect();
  client.send("GET / HTTP/1.1\r\nHost: b.test\r\n\r\n");
  EXPECT_EQ(client.response().body, "other");
}

TEST(Holds, OfAServerHoldEverySiteOnIt) {
  PeerServer upstream;
  HoldWorld world;
  world.edge_world.serve(upstream);
  world.edge_world.set_site("b.test", "f1.test");
  world.hold([](HoldTerms& terms) {
    terms.is_of_server = true;
    terms.names = {"f1.test"};
  });
  auto client = world.edge_world.connect();
  client.send("GET / HTTP/1.1\r\nHost: b.test\r\n\r\n");
  world.await_waiting(1);
  EXPECT_FALSE(upstream.has_caller());
  world.unhold();
  auto server = upstream.accept();
  server.receive_until("\r\n\r\n");
  server.send(ok("on"));
  EXPECT_EQ(client.response().status, 200);
}

TEST(Holds, AreDrainedWhenWhatWasUnderWayHasEnded) {
  PeerServer upstream;
  HoldWorld world({.workers = 2});
  world.edge_world.serve(upstream);
  auto client = world.edge_world.connect();
  client.send(get("/report?secret=1"));
  auto server = upstream.accept();
  server.receive_until("\r\n\r\n");
  world.hold();
  EXPECT_FALSE(world.has_drained());
  const auto left = world.stragglers();
  ASSERT_EQ(left.size(), 1u);
  EXPECT_EQ(left[0].method, "GET");
  EXPECT_EQ(left[0].path, "/report");  // no query: it may hold secrets
  EXPECT_EQ(world.counts().in_flight, 1);
  server.send(ok("late"));
  EXPECT_EQ(client.response().body, "late");
  EXPECT_TRUE(eventually([&] { return world.has_drained(); }));
  EXPECT_EQ(world.counts().in_flight, 0);
}

TEST(Holds, AreDrainedAtOnceWhereNothingIsUnderWay) {
  HoldWorld world({.workers = 2});
  world.hold();
  EXPECT_TRUE(eventually([&] { return world.has_drained(); }));
}

TEST(Holds, TakeBackWhatWasAdmittedButNotSent) {
  PeerServer upstream;
  HoldWorld world;
  world.edge_world.set_server("f1.test", {upstream.address()}, [](Server& server) { server.limits.connections = 1; });
  world.edge_world.set_site("a.test", "f1.test");
  auto first = world.edge_world.connect();
  first.send(get("/first"));
  auto server = upstream.accept();
  server.receive_until("\r\n\r\n");
  auto second = world.edge_world.connect();
  second.send(get("/second"));
  EXPECT_TRUE(eventually([&] { return world.edge_world.in_flight() == 2; }));
  world.hold();
  world.await_waiting(1);  // the second waited for a connection: now it waits at the gate
  server.send(ok("first", "Connection: close\r\n"));
  EXPECT_EQ(first.response().body, "first");
  EXPECT_TRUE(eventually([&] { return world.has_drained(); }));
  EXPECT_FALSE(upstream.has_caller());
  world.release();
  auto again = upstream.accept();
  EXPECT_TRUE(again.receive_until("\r\n\r\n").starts_with("GET /second "));
  again.send(ok("second"));
  EXPECT_EQ(second.response().body, "second");
}

TEST(Holds, LetNoRetryStartWhileTheyDrain) {
  PeerServer upstream;
  HoldWorld world;
  world.edge_world.serve(upstream);
  auto client = world.edge_world.connect();
  client.send(get("/warm"));
  auto server = upstream.accept();
  server.receive_until("\r\n\r\n");
  server.send(ok("warm"));
  client.response();
  client.send(get("/again"));
  server.receive_until("\r\n\r\n");
  world.hold();
  server.close();  // a reused connection without a byte of an answer: a GET may be repeated
  world.await_waiting(1);
  EXPECT_FALSE(upstream.has_caller());
  EXPECT_TRUE(eventually([&] { return world.has_drained(); }));
  world.release();
  auto next = upstream.accept();
  next.receive_until("\r\n\r\n");
  next.send(ok("repeated"));
  EXPECT_EQ(client.response().body, "repeated");
}

TEST(Holds, CutWhatDoesNotEnd) {
  PeerServer upstream;
  HoldWorld world;
  world.edge_world.serve(upstream);
  auto client = world.edge_world.connect();
  client.send(get("/slow", kJson));
  auto server = upstream.accept();
  server.receive_until("\r\n\r\n");
  world.hold();
  EXPECT_EQ(world.cut(), 1u);
  const auto answer = client.response();
  EXPECT_EQ(answer.status, 504);
  EXPECT_EQ(answer.field("x-hybridge-reason"), "hold_cut");
  EXPECT_TRUE(server.await_end());
  EXPECT_TRUE(eventually([&] { return world.has_drained(); }));
}

TEST(Holds, ResetAnAnswerThatTheyCutInTheMiddle) {
  PeerServer upstream;
  HoldWorld world;
  world.edge_world.serve(upstream);
  auto client = world.edge_world.connect();
  client.send(get("/slow"));
  auto server = upstream.accept();
  server.receive_until("\r\n\r\n");
  server.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
  client.receive_until("half");
  world.hold();
  EXPECT_EQ(world.cut(), 1u);
  EXPECT_TRUE(client.await_end());
  EXPECT_TRUE(client.was_reset());
}

TEST(Holds, PassWhatIsNotPartOfTheWork) {
  Origin origin(ok("passed"));
  HoldWorld world;
  world.edge_world.set_server("f1.test", {origin.address()});
  world.edge_world.set_site("a.test", "f1.test");
  world.hold();
  for (const auto* target : {"/assets/app.js", "//assets/./app.js", "/api/method/ping", "/api/method/frappe.ping"}) {
    auto client = world.edge_world.connect();
    client.send(get(target));
    EXPECT_EQ(client.response().body, "passed") << target;
  }
  EXPECT_TRUE(eventually([&] { return world.has_drained(); }));
}

TEST(Holds, SendUpgradesAndSocketIoAway) {
  PeerServer upstream;
  HoldWorld world;
  world.edge_world.serve(upstream);
  world.hold();
  for (const auto& request :
       {get("/socket.io/?EIO=4&transport=websocket", "Connection: Upgrade\r\nUpgrade: websocket\r\n"),
        get("/socket.io/?EIO=4&transport=polling")}) {
    auto client = world.edge_world.connect();
    client.send(request);
    const auto answer = client.response();
    EXPECT_EQ(answer.status, 503);
    EXPECT_EQ(answer.field("x-hybridge-reason"), "hold_refused");
    EXPECT_GE(std::stoi(answer.field("retry-after")), 5);
  }
  EXPECT_FALSE(upstream.has_caller());
}

TEST(Holds, AnswerMonitorsThemselvesWhereThatIsWished) {
  HoldWorld world({.tune = [](Config& config) { config.holds.monitors = Config::Monitors::kSynthetic; }});
  PeerServer upstream;
  world.edge_world.serve(upstream);
  world.hold();
  auto client = world.edge_world.connect();
  client.send(get("/api/method/ping"));
  const auto answer = client.response();
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "{\"message\":\"pong\"}\n");
  EXPECT_FALSE(upstream.has_caller());
}

EdgeWorld::Options impatient() {
  return {.tune = [](Config& config) { config.holds.max_wait = {.navigation = 200ms, .api = 300ms}; }};
}

TEST(Holds, ShowABrowserAPageThatReloadsItself) {
  HoldWorld world(impatient());
  PeerServer upstream;
  world.edge_world.serve(upstream);
  world.hold();
  auto client = world.edge_world.connect();
  client.send(get("/app", kHtml));
  const auto answer = client.response();
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.field("content-type"), "text/html; charset=utf-8");
  EXPECT_EQ(answer.field("cache-control"), "no-store");
  EXPECT_EQ(answer.field("refresh"), answer.field("retry-after"));
  EXPECT_EQ(answer.field("x-hybridge-reason"), "hold_deadline");
  EXPECT_NE(answer.body.find("being updated"), std::string::npos);
  EXPECT_EQ(world.counts().of(HoldOutcome::kExpired), 1u);
}

TEST(Holds, DoNotMakeABrowserSendAFormAgainByItself) {
  HoldWorld world(impatient());
  PeerServer upstream;
  world.edge_world.serve(upstream);
  world.hold();
  auto client = world.edge_world.connect();
  client.send(post("/save", "a=b", kHtml + "Sec-Fetch-Mode: navigate\r\n"));
  const auto answer = client.response();
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.field("refresh"), "");
}

TEST(Holds, TellAnApiClientInWordsThatFrappesDeskShows) {
  HoldWorld world(impatient());
  PeerServer upstream;
  world.edge_world.serve(upstream);
  world.hold();
  auto client = world.edge_world.connect();
  client.send(post("/api/method/save", "{}", kJson));
  const auto answer = client.response();
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.field("content-type"), "application/problem+json");
  for (const auto* part : {R"("code":"hold_deadline")", R"("exc_type":"SessionStopped")", R"("_server_messages":"[\"{)",
                           R"("errors":[{"type":"SessionStopped")"}) {
    EXPECT_NE(answer.body.find(part), std::string::npos) << answer.body;
  }
}

TEST(Holds, AnswerAtOnceWhoIsSureToWaitInVain) {
  PeerServer upstream;
  HoldWorld world;
  world.edge_world.serve(upstream);
  const auto now =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
          .count();
  world.hold([&](HoldTerms& terms) { terms.expected_end = now + 45'000; });
  auto browser = world.edge_world.connect();
  browser.send(get("/app", kHtml));  // waits 30 s at most
  const auto answer = browser.response();
  EXPECT_EQ(answer.status, 503);
  EXPECT_GE(std::stoi(answer.field("retry-after")), 40);
  EXPECT_EQ(world.counts().of(HoldOutcome::kOutlasted), 1u);
  auto program = world.edge_world.connect();
  program.send(get("/api", kJson));  // 60 s
  world.await_waiting(1);
}

TEST(Holds, PageEverybodyWhenNothingIsHeldAnyMore) {
  PeerServer upstream;
  HoldWorld world;
  world.edge_world.serve(upstream);
  world.hold();
  auto waiting = world.edge_world.connect();
  waiting.send(get("/", kJson));
  world.await_waiting(1);
  world.page();
  EXPECT_EQ(waiting.response().field("x-hybridge-reason"), "hold_paged");
  auto next = world.edge_world.connect();
  next.send(get("/", kJson));
  EXPECT_EQ(next.response().field("x-hybridge-reason"), "hold_paged");
}

TEST(Holds, AreFlushedByWhatTheTableSaysMeanwhile) {
  struct Case {
    std::function<void(EdgeWorld&)> change;
    int status;
  };
  const std::vector<Case> cases = {
      {[](EdgeWorld& world) { world.set_site("a.test", "f1.test", SiteStatus::kSuspended); }, 402},
      {[](EdgeWorld& world) { world.set_site("a.test", "f1.test", SiteStatus::kDeactivated); }, 503},
      {[](EdgeWorld& world) {
         Snapshot::Builder builder(world.snapshot());
         builder.erase_site("a.test");
         world.publish(std::move(builder));
       },
       404},
  };
  for (const auto& each : cases) {
    PeerServer upstream;
    HoldWorld world;
    world.edge_world.serve(upstream);
    world.hold();
    auto client = world.edge_world.connect();
    client.send(get("/"));
    world.await_waiting(1);
    each.change(world.edge_world);
    EXPECT_EQ(client.response().status, each.status);
    EXPECT_EQ(world.counts().of(HoldOutcome::kFlushed), 1u);
    EXPECT_FALSE(upstream.has_caller());
  }
}

TEST(Holds, SendThoseWhoWaitedWhereTheSiteNowLives) {
  PeerServer before;
  PeerServer after;
  HoldWorld world;
  world.edge_world.serve(before);
  world.edge_world.set_server("f2.test", {after.address()});
  world.hold();
  auto client = world.edge_world.connect();
  client.send(get("/moved"));
  world.await_waiting(1);
  world.edge_world.set_site("a.test", "f2.test");
  EXPECT_FALSE(after.has_caller());
  world.release([](HoldTerms& terms) { terms.server = "f2.test"; });
  auto server = after.accept();
  server.receive_until("\r\n\r\n");
  server.send(ok("moved"));
  EXPECT_EQ(client.response().body, "moved");
  EXPECT_FALSE(before.has_caller());
}

TEST(Holds, LetStaffLookBeforeOthers) {
  Origin origin(ok("preview"));
  HoldWorld world;
  world.edge_world.set_server("f1.test", {origin.address()});
  world.edge_world.set_site("a.test", "f1.test");
  world.hold([](HoldTerms& terms) { terms.preview_secret = "s3cret"; });
  const auto later =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count() +
      60;
  const auto token = make_preview_token("s3cret", "w1", later);
  for (const auto& field : {"Cookie: sid=1; hybridge_preview=" + token, "X-Hybridge-Preview: " + token}) {
    auto client = world.edge_world.connect();
    client.send(get("/", field + "\r\n"));
    EXPECT_EQ(client.response().body, "preview");
  }
  auto stranger = world.edge_world.connect();
  stranger.send(get("/", "Cookie: hybridge_preview=" + make_preview_token("wrong", "w1", later) + "\r\n"));
  world.await_waiting(1);
  world.hold([](HoldTerms& terms) { terms.preview = {*Network::parse("127.0.0.0/8")}; });
  auto staff = world.edge_world.connect();
  staff.send(get("/"));
  EXPECT_EQ(staff.response().body, "preview");
}

TEST(Holds, AnswerThoseWhoWaitWhenTheProcessEnds) {
  PeerServer upstream;
  HoldWorld world;
  world.edge_world.serve(upstream);
  world.hold();
  auto client = world.edge_world.connect();
  client.send(get("/", kJson));
  world.await_waiting(1);
  world.edge_world.edge->drain([] {});
  EXPECT_EQ(client.response().status, 503);
}

TEST(Holds, SayInTheLogHowLongARequestWaited) {
  Origin origin(ok("done"));
  HoldWorld world;
  world.edge_world.set_server("f1.test", {origin.address()});
  world.edge_world.set_site("a.test", "f1.test");
  world.hold();
  auto client = world.edge_world.connect();
  client.send(get("/"));
  world.await_waiting(1);
  world.release();
  EXPECT_EQ(client.response().status, 200);
  EXPECT_TRUE(eventually([&] { return !world.edge_world.log_lines().empty(); }));
  const auto line = world.edge_world.log_lines().front();
  EXPECT_NE(line.find(R"("hold_id":"w1")"), std::string::npos) << line;
  EXPECT_EQ(line.find(R"("hold":null)"), std::string::npos) << line;
}

}  // namespace
}  // namespace hybridge::test
