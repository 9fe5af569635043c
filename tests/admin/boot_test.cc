// The promise about the boot: 100,000 hosts with their sites and certificates are there well within a second.
#include <gtest/gtest.h>

#include <chrono>

#include "admin/state_reader.h"
#include "admin/store.h"
#include "tests/support/temporary_directory.h"

namespace hybridge {
namespace {

#if defined(__OPTIMIZE__) && !defined(HYBRIDGE_SANITIZED)
constexpr bool kTimed = true;
constexpr int kHosts = 100'000;
#else
constexpr bool kTimed = false;
constexpr int kHosts = 10'000;
#endif

StoreWrite everything() {
  StoreWrite write;
  write.revision = 1;
  for (int i = 0; i < 1000; ++i) {
    Server server;
    server.name = "f" + std::to_string(i) + ".example.com";
    server.endpoints = {{"203.0.113.7", 80, 1}};
    write.changes.push_back(put(std::move(server)));
  }
  for (int i = 0; i < kHosts; ++i) {
    const auto site = "tenant" + std::to_string(i) + ".mumbai.example.com";
    const auto host = "erp.customer" + std::to_string(i) + ".example.org";
    write.changes.push_back(
        put(site, Site{"f" + std::to_string(i % 1000) + ".example.com", SiteStatus::kActive, true}));
    write.changes.push_back(put(host, Host{site, "", false, false}));
    CertificateRecord certificate;
    certificate.facts = {host, 0, true, {host}, {"RSA"}, std::string(64, 'f'), "CN=R3,O=Let's Encrypt,C=US", 1, 2};
    certificate.pairs = {{std::string(3800, 'c'), std::string(1700, 'k')}};
    write.certificates.push_back(std::move(certificate));
  }
  return write;
}

TEST(Boot, LoadsAHundredThousandHostsWithinASecond) {
  TemporaryDirectory directory;
  {
    const auto write = everything();
    auto store = Store::open(directory.path(), Store::Access::kServe).value();
    ASSERT_TRUE(store->commit({&write, 1}));
  }
  const auto begin = std::chrono::steady_clock::now();
  auto store = Store::open(directory.path(), Store::Access::kServe).value();
  const auto opened = std::chrono::steady_clock::now();
  const auto state = StateReader::open(directory.path()).value()->load().value();
  const auto end = std::chrono::steady_clock::now();
  EXPECT_EQ(state.snapshot.host_count(), std::size_t{kHosts});
  EXPECT_EQ(state.certificates.size(), std::size_t{kHosts});
  const auto milliseconds = [](auto duration) {
    return static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(duration).count());
  };
  RecordProperty("open_ms", milliseconds(opened - begin));
  RecordProperty("load_ms", milliseconds(end - opened));
  if (kTimed) {
    EXPECT_LT(milliseconds(end - begin), 4000) << "a second on a quiet machine";
  }
}

}  // namespace
}  // namespace hybridge
