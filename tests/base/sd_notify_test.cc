#include "base/sd_notify.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string>

namespace hybridge {
namespace {

// A service manager's end, in the abstract namespace.
class Manager {
 public:
  explicit Manager(std::string name) : name_(std::move(name)), descriptor_(::socket(AF_UNIX, SOCK_DGRAM, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path + 1, name_.data(), name_.size());
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name_.size());
    EXPECT_EQ(::bind(descriptor_, reinterpret_cast<const sockaddr*>(&address), size), 0);
  }
  ~Manager() { ::close(descriptor_); }

  std::string address() const { return '@' + name_; }
  std::string heard() const {
    char bytes[512];
    const auto size = ::recv(descriptor_, bytes, sizeof bytes, MSG_DONTWAIT);
    return size < 0 ? "nothing" : std::string(bytes, static_cast<std::size_t>(size));
  }

 private:
  std::string name_;
  int descriptor_;
};

std::string unique_name() {
  return "hybridge-test-" + std::to_string(::getpid());
}

TEST(ServiceNotifier, TellsTheServiceManager) {
  const Manager manager(unique_name());
  const ServiceNotifier notifier(manager.address());
  EXPECT_TRUE(notifier.ready());
  EXPECT_EQ(manager.heard(), "READY=1");
  EXPECT_TRUE(notifier.ready("serving 3 hosts"));
  EXPECT_EQ(manager.heard(), "READY=1\nSTATUS=serving 3 hosts");
  EXPECT_TRUE(notifier.stopping());
  EXPECT_EQ(manager.heard(), "STOPPING=1");
  EXPECT_TRUE(notifier.alive());
  EXPECT_EQ(manager.heard(), "WATCHDOG=1");
  EXPECT_TRUE(notifier.main_process(42));
  EXPECT_EQ(manager.heard(), "MAINPID=42");
  EXPECT_TRUE(notifier.reloading());
  EXPECT_EQ(manager.heard().find("RELOADING=1\nMONOTONIC_USEC="), 0u);
}

TEST(ServiceNotifier, KeepsAStatusOnOneLine) {
  const Manager manager(unique_name());
  const ServiceNotifier notifier(manager.address());
  EXPECT_TRUE(notifier.status("a\nSTOPPING=1"));
  EXPECT_EQ(manager.heard(), "STATUS=a STOPPING=1");
}

TEST(ServiceNotifier, IsSilentWithoutAServiceManager) {
  const ServiceNotifier notifier("");
  EXPECT_TRUE(notifier.ready());
  EXPECT_FALSE(notifier.watchdog());
}

TEST(ServiceNotifier, SaysThatNobodyListens) {
  EXPECT_FALSE(ServiceNotifier("@" + unique_name() + "-nobody").ready());
  EXPECT_FALSE(ServiceNotifier('/' + std::string(200, 'a')).ready());
}

TEST(ServiceNotifier, ReadsTheWatchdogOfThisProcessOnly) {
  ::setenv("WATCHDOG_USEC", "30000000", 1);
  ::setenv("WATCHDOG_PID", std::to_string(::getpid()).c_str(), 1);
  EXPECT_EQ(ServiceNotifier::from_environment().watchdog(), std::chrono::seconds{30});
  ::setenv("WATCHDOG_PID", "1", 1);
  EXPECT_FALSE(ServiceNotifier::from_environment().watchdog());
  ::unsetenv("WATCHDOG_PID");
  ::setenv("WATCHDOG_USEC", "soon", 1);
  EXPECT_FALSE(ServiceNotifier::from_environment().watchdog());
  ::unsetenv("WATCHDOG_USEC");
}

}  // namespace
}  // namespace hybridge
