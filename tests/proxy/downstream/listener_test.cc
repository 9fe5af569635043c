#include "proxy/downstream/listener.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "proxy/downstream/arrival.h"
#include "tests/support/downstream_world.h"
#include "tests/support/temporary_directory.h"

namespace hybridge::test {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kGet = "GET /a HTTP/1.1\r\nHost: a.test\r\n\r\n";
constexpr std::string_view kGotA = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nGET /a ";

TEST(Listener, TellsAConnectionTooMany) {
  DownstreamWorld world({.connections = 2});
  world.serve_by(echo);
  const auto first = world.connect();
  const auto second = world.connect();
  world.runner.until([&] { return world.limits.current() == 2; });
  const auto third = world.connect();
  third->send(kGet);
  const auto refusal = third->receive_to_end();
  EXPECT_TRUE(refusal.starts_with("HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n")) << refusal;
  EXPECT_NE(refusal.find("limits.connections (2)"), std::string::npos) << refusal;
  third->close();
  first->close();
  world.runner.until([&] { return world.limits.current() == 1; });
  const auto fourth = world.connect();
  fourth->send(kGet);
  EXPECT_EQ(fourth->receive(kGotA.size()), kGotA);
}

TEST(Listener, ClosesWhoHasBeenIdleLongestWhenThereIsLittleRoom) {
  DownstreamWorld world({.settings = {.spared_idle = 1ms}, .connections = 32});  // two of them are a sixteenth
  const auto serve = [&] {
    auto client = world.connect();
    client->send(kGet);
    auto& story = world.next_story();
    answer(story.stream, 200, "");
    story.end();
    client->receive_until("\r\n\r\n");
    return client;
  };
  const auto longest = serve();
  world.runner.for_at_least(5ms);
  std::vector<std::unique_ptr<ScriptedConnection>> idle;
  while (idle.size() < 16) idle.push_back(serve());
  const auto busy = world.connect();
  busy->send(kGet);
  auto& story = world.next_story();
  std::vector<std::unique_ptr<ScriptedConnection>> silent;  // their first requests may be on their way
  const auto come = [&](std::size_t there) {
    while (world.limits.current() < there) {
      silent.push_back(world.connect());
      world.runner.until([&, before = world.limits.current()] { return world.limits.current() > before; });
    }
  };
  come(30);
  EXPECT_EQ(world.idle_closed, 0u);
  silent.push_back(world.connect());
  world.runner.until([&] { return world.idle_closed > 0; });
  EXPECT_EQ(world.idle_closed, 2u);  // of 17
  EXPECT_EQ(longest->receive_to_end(), "");
  longest->close();
  idle.back()->send(kGet);  // the last that went idle is served on
  auto& next = world.next_story();
  for (auto* each : {&story, &next}) {
    answer(each->stream, 200, "");
    each->end();
  }
  EXPECT_TRUE(busy->receive_until("\r\n\r\n").starts_with("HTTP/1.1 200 OK\r\n"));
  EXPECT_TRUE(idle.back()->receive_until("\r\n\r\n").starts_with("HTTP/1.1 200 OK\r\n"));
  EXPECT_TRUE(world.refused.empty());
}

TEST(Listener, SparesWhoHasOnlyJustBecomeIdle) {
  DownstreamWorld world({.connections = 1});
  world.serve_by(echo);
  const auto there = world.connect();
  there->send(kGet);
  EXPECT_EQ(there->receive(kGotA.size()), kGotA);
  const auto refused = world.connect();
  refused->send(kGet);
  EXPECT_TRUE(refused->receive_to_end().starts_with("HTTP/1.1 503 "));
  there->send(kGet);
  EXPECT_EQ(there->receive(kGotA.size()), kGotA);
}

TEST(Listener, TellsAnAddressThatItHasTooMany) {
  // From another address than loopback nobody can connect here: the connection is handed over with one.
  DownstreamWorld world({});
  world.serve_by(echo);
  int pair[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
  ClientFacts facts;
  facts.peer = facts.direct_peer = *Address::parse("192.0.2.1", 1234);
  facts.place = world.limits.enter(facts.peer, false, pair[0]).place;
  auto arrival =
      std::make_unique<Arrival>(world.downstream, world.service(), nullptr, pair[0], std::move(facts),
                                std::make_unique<const Error>(make_error(Reason::kTooManyConnectionsFromAddress,
                                                                         "limits.connections_per_address (1)")));
  auto& arrived = *arrival;
  world.downstream.add(std::move(arrival));
  arrived.start(false);
  ScriptedConnection client(world.runner, pair[1]);
  client.send(kGet);
  const auto refusal = client.receive_to_end();
  EXPECT_TRUE(refusal.starts_with("HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n")) << refusal;
  EXPECT_NE(refusal.find("limits.connections_per_address (1)"), std::string::npos) << refusal;
}

TEST(Listener, AcceptsNobodyOnceItHasStopped) {
  DownstreamWorld world({});
  world.listener.stop();
  const int descriptor = ::socket(AF_INET, SOCK_STREAM, 0);
  EXPECT_LT(::connect(descriptor, world.address.data(), world.address.size()), 0);
  EXPECT_EQ(errno, ECONNREFUSED);
  ::close(descriptor);
}

// The socket of the admin side: root's and our own processes.
class UnixListener {
 public:
  UnixListener()
      : path_(directory_ / "admin.sock"),
        listener_(world.downstream, world.service(), Acceptor::listen_unix(path_).value(),
                  {.tls = nullptr, .only_own_user = true}) {
    world.serve_by(echo);
    ::chmod(directory_.path().c_str(), 0755);
    ::chmod(path_.c_str(), 0666);
    listener_.start();
  }

  std::unique_ptr<ScriptedConnection> connect() {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path_.c_str(), sizeof address.sun_path - 1);
    const int descriptor = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    EXPECT_EQ(::connect(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address), 0) << errno;
    return std::make_unique<ScriptedConnection>(world.runner, descriptor);
  }

  DownstreamWorld world{{}};

 private:
  TemporaryDirectory directory_;
  std::string path_;
  Listener listener_;
};

TEST(Listener, ServesItsOwnUserOnAUnixSocket) {
  UnixListener socket;
  const auto client = socket.connect();
  client->send(kGet);
  EXPECT_EQ(client->receive(kGotA.size()), kGotA);
}

TEST(Listener, RefusesOtherUsersOnAUnixSocket) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to be somebody else for a moment";
  UnixListener socket;
  constexpr uid_t kNobody = 65534;
  ASSERT_EQ(::seteuid(kNobody), 0);
  const auto client = socket.connect();
  ASSERT_EQ(::seteuid(0), 0);
  ::send(client->descriptor(), kGet.data(), kGet.size(), MSG_NOSIGNAL);
  EXPECT_EQ(client->receive_to_end(), "");
  EXPECT_EQ(socket.world.served, 0);
}

}  // namespace
}  // namespace hybridge::test
