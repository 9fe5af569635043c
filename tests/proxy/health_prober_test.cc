#include "proxy/health_prober.h"

#include <gtest/gtest.h>

#include <mutex>
#include <string>

#include "tests/support/peer.h"

namespace hybridge::test {
namespace {

using namespace std::chrono_literals;

// A table that the test writes and the prober reads.
class Prober final : private HealthProber::Observer {
 public:
  explicit Prober(std::string path)
      : prober_(
            {.interval = 100ms, .timeout = 5s, .path = std::move(path), .failures = 1},
            [this] {
              const std::lock_guard lock(mutex_);
              return table_;
            },
            resolver_, nullptr, *this) {}

  void serve(const PeerServer& listener, std::string path) {
    Server server;
    server.name = "f1.test";
    server.endpoints = {{listener.address().ip(), listener.address().port(), 1}};
    server.health_path = std::move(path);
    Snapshot::Builder builder;
    builder.set_server(std::move(server));
    auto table = std::make_shared<const Snapshot>(std::move(builder).build(1));
    const std::lock_guard lock(mutex_);
    table_ = std::move(table);
  }
  std::optional<bool> is_up() const { return prober_.is_up("f1.test"); }

 private:
  void on_server_health(const std::string&, const HealthProber::ServerState&) override {}
  void on_endpoints_down(const HealthProber::Down&) override {}

  std::mutex mutex_;
  std::shared_ptr<const Snapshot> table_ = std::make_shared<const Snapshot>();
  Resolver resolver_{30s, 1, Resolver::system_look_up};
  HealthProber prober_;
};

// The request line of the next question, which is answered.
std::string question(PeerServer& listener) {
  auto peer = listener.accept();
  const auto head = peer.receive_until("\r\n\r\n");
  EXPECT_NE(head.find("\r\nHost: f1.test\r\n"), std::string::npos) << head;
  peer.send("HTTP/1.1 204 No Content\r\n\r\n");
  return head.substr(0, head.find('\r'));
}

TEST(HealthProber, AsksForTheConfiguredPathWhereAServersRecordNamesNone) {
  PeerServer listener;
  Prober prober("/configured");
  prober.serve(listener, "");
  EXPECT_EQ(question(listener), "GET /configured HTTP/1.1");
  EXPECT_TRUE(eventually([&] { return prober.is_up() == true; }));
}

TEST(HealthProber, AsksForTheServersOwnPathRatherThanTheConfiguredOne) {
  PeerServer listener;
  Prober prober("/configured");
  prober.serve(listener, "/api/method/ping?of=f1");
  EXPECT_EQ(question(listener), "GET /api/method/ping?of=f1 HTTP/1.1");
}

TEST(HealthProber, AsksForAnotherPathOnceTheRecordSaysAnother) {
  PeerServer listener;
  Prober prober("/");
  prober.serve(listener, "/one");
  EXPECT_EQ(question(listener), "GET /one HTTP/1.1");
  prober.serve(listener, "/other");
  // The table is looked at once a second: one question may still be the old one's many.
  std::string asked;
  for (int i = 0; i < 100 && asked != "GET /other HTTP/1.1"; ++i) asked = question(listener);
  EXPECT_EQ(asked, "GET /other HTTP/1.1");
  prober.serve(listener, "");
  for (int i = 0; i < 100 && asked != "GET / HTTP/1.1"; ++i) asked = question(listener);
  EXPECT_EQ(asked, "GET / HTTP/1.1");
}

}  // namespace
}  // namespace hybridge::test
