// What was acknowledged survives a process that is killed at any instant.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <random>

#include "admin/state_reader.h"
#include "admin/store.h"
#include "tests/support/temporary_directory.h"

namespace hybridge {
namespace {

// Each write puts a host of its own and a certificate, and deletes the host of ten writes before.
StoreWrite nth_write(std::uint64_t n) {
  StoreWrite write;
  write.revision = n;
  write.changes = {put("h" + std::to_string(n) + ".test", Host{"acme.test", "", false, false})};
  if (n > 10) write.changes.push_back(deletion(Change::Kind::kHost, "h" + std::to_string(n - 10) + ".test"));
  CertificateRecord certificate;
  certificate.facts.host = "c.test";
  certificate.facts.fingerprint = std::to_string(n);
  certificate.pairs = {{std::string(3000, 'c') + std::to_string(n), std::string(1000, 'k') + std::to_string(n)}};
  write.certificates = {certificate};
  write.audit = {0, 0, n, "test", "write", std::to_string(n)};
  return write;
}

// In the child: commits writes from `n` on and tells each that was acknowledged, until it is killed.
[[noreturn]] void write_for_ever(const std::string& directory, std::uint64_t n, int acknowledged) {
  auto store = Store::open(directory, Store::Access::kServe);
  if (!store) ::_exit(2);
  for (;; ++n) {
    const auto write = nth_write(n);
    if (!(*store)->commit({&write, 1})) ::_exit(3);
    if (::write(acknowledged, &n, sizeof n) != sizeof n) ::_exit(4);
  }
}

TEST(StoreCrash, LosesNothingThatWasAcknowledged) {
  TemporaryDirectory directory;
  ASSERT_TRUE(Store::open(directory.path(), Store::Access::kServe));
  std::mt19937 random(20261122);
  std::uint64_t last = 0;
  for (int round = 0; round < 200; ++round) {
    int pipe[2];
    ASSERT_EQ(::pipe(pipe), 0);
    const auto child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) write_for_ever(directory.path(), last + 1, pipe[1]);
    ::close(pipe[1]);

    // Killed after some acknowledged writes, and some microseconds into the next.
    std::uint64_t acknowledged = last;
    const auto writes = std::uniform_int_distribution(1, 12)(random);
    for (int i = 0; i < writes; ++i)
      ASSERT_EQ(::read(pipe[0], &acknowledged, sizeof acknowledged), 8) << "round " << round;
    pollfd nothing{};
    const timespec pause{0, std::uniform_int_distribution<long>(0, 3'000'000)(random)};
    ::ppoll(&nothing, 0, &pause, nullptr);
    ASSERT_EQ(::kill(child, SIGKILL), 0);
    ASSERT_EQ(::waitpid(child, nullptr, 0), child);
    for (std::uint64_t n = 0; ::read(pipe[0], &n, sizeof n) == sizeof n;) acknowledged = n;
    ::close(pipe[0]);

    ASSERT_TRUE(Store::open(directory.path(), Store::Access::kServe));
    auto reader = StateReader::open(directory.path()).value();
    const auto state = reader->load().value();
    // One more may have been committed whose acknowledgement was not heard.
    ASSERT_GE(state.revision, acknowledged) << "round " << round;
    ASSERT_LE(state.revision, acknowledged + 1) << "round " << round;
    last = state.revision;
    for (auto n = last > 9 ? last - 9 : 1; n <= last; ++n) {
      ASSERT_TRUE(state.snapshot.host("h" + std::to_string(n) + ".test")) << n << " of " << last;
    }
    ASSERT_EQ(state.snapshot.host_count(), std::min<std::uint64_t>(last, 10));
    ASSERT_EQ(reader->certificate("c.test").value().fingerprint, std::to_string(last));
    ASSERT_EQ(reader->pairs("c.test").value()[0].key, std::string(1000, 'k') + std::to_string(last));
    ASSERT_EQ(reader->audit(1).value()[0].detail, std::to_string(last));
  }
  EXPECT_GT(last, 200U);
}

}  // namespace
}  // namespace hybridge
