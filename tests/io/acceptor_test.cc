#include "io/acceptor.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "io/loop.h"
#include "tests/support/loop_runner.h"
#include "tests/support/scripted_server.h"
#include "tests/support/temporary_directory.h"

namespace hybridge {
namespace {

using test::LoopRunner;

struct Accepted final : Acceptor::User {
  ~Accepted() {
    for (const int descriptor : descriptors) ::close(descriptor);
  }
  void on_accept(int descriptor, const Address& peer) override {
    descriptors.push_back(descriptor);
    peers.push_back(peer);
  }
  void on_accept_failed(int error) override { errors.push_back(error); }
  std::vector<int> descriptors;
  std::vector<Address> peers;
  std::vector<int> errors;
};

int listen_anywhere(std::string_view ip = "127.0.0.1") {
  return Acceptor::listen(*Address::parse(ip, 0)).value();
}

TEST(Acceptor, HandsOverConnectionsWithTheirPeers) {
  LoopRunner runner;
  Accepted accepted;
  Acceptor acceptor(runner, accepted, listen_anywhere());
  acceptor.start();
  const auto client = test::connect_to(runner, acceptor.local());
  runner.until([&] { return accepted.descriptors.size() == 1; });
  EXPECT_EQ(accepted.peers[0].ip(), "127.0.0.1");
  EXPECT_NE(::fcntl(accepted.descriptors[0], F_GETFL) & O_NONBLOCK, 0);
  EXPECT_NE(::fcntl(accepted.descriptors[0], F_GETFD) & FD_CLOEXEC, 0);
}

TEST(Acceptor, SendsSmallPiecesAtOnce) {
  LoopRunner runner;
  Accepted accepted;
  Acceptor acceptor(runner, accepted, listen_anywhere());
  acceptor.start();
  const auto client = test::connect_to(runner, acceptor.local());
  runner.until([&] { return accepted.descriptors.size() == 1; });
  int value = 0;
  socklen_t length = sizeof value;
  ASSERT_EQ(::getsockopt(accepted.descriptors[0], IPPROTO_TCP, TCP_NODELAY, &value, &length), 0);
  EXPECT_NE(value, 0);
}

TEST(Acceptor, KnowsWhichFamiliesTheKernelSpeaks) {
  EXPECT_TRUE(Acceptor::has_family(*Address::parse("127.0.0.1", 0)));
  sockaddr unspoken{};
  unspoken.sa_family = AF_MAX;
  EXPECT_FALSE(Acceptor::has_family(Address::from_sockaddr(&unspoken, sizeof unspoken)));
}

TEST(Acceptor, AcceptsIpv6) {
  LoopRunner runner;
  Accepted accepted;
  Acceptor acceptor(runner, accepted, listen_anywhere("::1"));
  acceptor.start();
  const auto client = test::connect_to(runner, acceptor.local());
  runner.until([&] { return accepted.descriptors.size() == 1; });
  EXPECT_EQ(accepted.peers[0].ip(), "::1");
}

TEST(Acceptor, TakesManyInSeveralTurns) {
  LoopRunner runner;
  Accepted accepted;
  Acceptor acceptor(runner, accepted, listen_anywhere());
  acceptor.start();
  std::vector<std::unique_ptr<test::ScriptedConnection>> clients;
  for (int i = 0; i < 50; ++i) clients.push_back(test::connect_to(runner, acceptor.local()));
  runner.turns(1);
  EXPECT_LT(accepted.descriptors.size(), 50U) << "other connections have their turn between";
  runner.until([&] { return accepted.descriptors.size() == 50; });
}

TEST(Acceptor, SeveralListenOnOneAddress) {
  LoopRunner runner;
  Accepted accepted;
  Acceptor first(runner, accepted, listen_anywhere());
  const auto second = Acceptor::listen(first.local());
  ASSERT_TRUE(second.has_value()) << second.error().detail;
  ::close(*second);
}

TEST(Acceptor, AddressesInUseSayWhatToDo) {
  LoopRunner runner;
  const test::ScriptedServer other(runner);  // without SO_REUSEPORT
  const auto refused = Acceptor::listen(other.address());
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().reason, Reason::kIo);
  EXPECT_NE(refused.error().detail.find(other.address().to_string()), std::string::npos);
  EXPECT_NE(refused.error().detail.find("ss -ltnp"), std::string::npos);
}

TEST(Acceptor, AnAddressOfAnotherMachineIsRefused) {
  const auto refused = Acceptor::listen(*Address::parse("203.0.113.7", 0));
  ASSERT_FALSE(refused.has_value());
  EXPECT_NE(refused.error().detail.find("not an address of this machine"), std::string::npos);
}

TEST(Acceptor, StoppingTakesWhatTheKernelHasCompleted) {
  LoopRunner runner;
  Accepted accepted;
  Acceptor acceptor(runner, accepted, listen_anywhere());
  acceptor.start();
  const auto address = acceptor.local();
  std::vector<std::unique_ptr<test::ScriptedConnection>> clients;
  for (int i = 0; i < 50; ++i) clients.push_back(test::connect_to(runner, address));
  acceptor.stop();
  EXPECT_EQ(accepted.descriptors.size(), 50U);
  const int late = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  EXPECT_LT(::connect(late, address.data(), address.size()), 0);
  ::close(late);
}

TEST(Acceptor, PausesWhenDescriptorsRunOutAndGoesOnLater) {
  LoopRunner runner;
  Accepted accepted;
  Acceptor acceptor(runner, accepted, listen_anywhere());
  acceptor.start();
  // UBSan looks at an object's type with descriptors of its own, once a type: before there are none.
  static_cast<Acceptor::User&>(accepted).on_accept_failed(0);
  accepted.errors.clear();
  const auto client = test::connect_to(runner, acceptor.local());
  rlimit allowed;
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &allowed), 0);
  // The lowest descriptor that is free is the first that may not be had.
  const int lowest = ::dup(0);
  ::close(lowest);
  const rlimit none{.rlim_cur = static_cast<rlim_t>(lowest), .rlim_max = allowed.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  runner.until([&] { return !accepted.errors.empty(); });
  runner.turns(20);
  EXPECT_LE(accepted.errors.size(), 2U) << "it does not spin";
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &allowed), 0);
  EXPECT_EQ(accepted.errors[0], EMFILE);
  EXPECT_TRUE(accepted.descriptors.empty());
  runner.until([&] { return accepted.descriptors.size() == 1; });
}

class UnixAcceptor : public testing::Test {
 protected:
  int connect() {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.c_str(), path.size());
    const int descriptor = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (::connect(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return descriptor;
    ::close(descriptor);
    return -1;
  }
  TemporaryDirectory directory;
  std::string path = directory.path() + "/admin.sock";
  LoopRunner runner;
};

TEST_F(UnixAcceptor, TakesConnectionsOfAUnixSocket) {
  Accepted accepted;
  Acceptor acceptor(runner, accepted, Acceptor::listen_unix(path).value());
  acceptor.start();
  const int client = connect();
  ASSERT_GE(client, 0);
  runner.until([&] { return accepted.descriptors.size() == 1; });
  EXPECT_TRUE(accepted.peers[0].is_unix());
  ::close(client);
}

TEST_F(UnixAcceptor, ReplacesASocketThatNobodyListensOn) {
  ::close(Acceptor::listen_unix(path).value());
  const auto again = Acceptor::listen_unix(path);
  ASSERT_TRUE(again.has_value()) << again.error().detail;
  ::close(*again);
}

TEST_F(UnixAcceptor, LeavesASocketAloneThatSomebodyListensOn) {
  const int first = Acceptor::listen_unix(path).value();
  const auto second = Acceptor::listen_unix(path);
  ASSERT_FALSE(second.has_value());
  EXPECT_NE(second.error().detail.find(path), std::string::npos);
  const int client = connect();
  EXPECT_GE(client, 0);
  ::close(client);
  ::close(first);
}

TEST_F(UnixAcceptor, LeavesAFileAloneThatIsNoSocket) {
  const int file = ::open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
  ::close(file);
  EXPECT_FALSE(Acceptor::listen_unix(path).has_value());
  EXPECT_EQ(::access(path.c_str(), F_OK), 0);
}

TEST_F(UnixAcceptor, RefusesAPathThatIsTooLong) {
  const auto refused = Acceptor::listen_unix("/tmp/" + std::string(200, 'x'));
  ASSERT_FALSE(refused.has_value());
  EXPECT_NE(refused.error().detail.find("107 bytes"), std::string::npos);
}

}  // namespace
}  // namespace hybridge
