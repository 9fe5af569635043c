#include "admin/admission.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "admin/store.h"
#include "tests/support/temporary_directory.h"

namespace hybridge {
namespace {

struct World {
  int status(const std::string& authorization, Role needed = Role::kRead, const std::string& peer = "127.0.0.1",
             bool is_tls = false) {
    const auto verdict = admission.admit({Address::parse(peer, 1).value(), is_tls, authorization}, needed);
    who = verdict.who;
    if (!verdict.refusal) return 200;
    refusal = *verdict.refusal;
    return verdict.refusal->status;
  }
  std::string retry_after() const {
    for (const auto& [name, value] : refusal.headers) {
      if (name == "Retry-After") return value;
    }
    return {};
  }

  TemporaryDirectory directory;
  std::unique_ptr<Store> store = Store::open(directory.path(), Store::Access::kServe).value();
  std::unique_ptr<StateReader> reader = StateReader::open(directory.path()).value();
  TimePoint now = TimePoint{} + std::chrono::hours(1);
  Admission admission{*reader, [this] { return now; }};
  std::string who;
  ApiAnswer refusal;
};

TEST(Admission, AdmitsAKnownToken) {
  World world;
  ASSERT_TRUE(world.store->add_token({"ci", Role::kRoute, sha256("secret"), 1}));
  EXPECT_EQ(world.status("Bearer secret"), 200);
  EXPECT_EQ(world.who, "ci");
  EXPECT_EQ(world.status("bearer secret"), 200);
}

TEST(Admission, RefusesWhateverElse) {
  World world;
  ASSERT_TRUE(world.store->add_token({"ci", Role::kRoute, sha256("secret"), 1}));
  for (const char* authorization :
       {"", "Bearer", "Bearer ", "Bearer  secret", "Bearer secre", "Bearer secrets", "secret", "Basic secret"}) {
    EXPECT_EQ(world.status(authorization), 401) << authorization;
  }
}

TEST(Admission, TakesATokenAsThePasswordOfABrowserOnly) {
  World world;
  ASSERT_TRUE(world.store->add_token({"ci", Role::kHold, sha256("secret"), 1}));
  const auto basic = [&](bool is_browser) {
    const auto peer = Address::parse("127.0.0.1", 1).value();
    return world.admission.admit({peer, false, "Basic YW55Ym9keTpzZWNyZXQ=", is_browser}, Role::kRead);
  };
  EXPECT_EQ(basic(true).who, "ci");
  EXPECT_EQ(basic(true).role, Role::kHold);
  EXPECT_EQ(basic(false).refusal->status, 401);
}

TEST(Admission, AsksForTheRole) {
  World world;
  for (const auto role : {Role::kRead, Role::kRoute, Role::kCertificate, Role::kHold, Role::kAdmin}) {
    ASSERT_TRUE(world.store->add_token({std::string(to_string(role)), role, sha256(to_string(role)), 1}));
  }
  EXPECT_EQ(world.status("Bearer read", Role::kRoute), 403);
  EXPECT_EQ(world.status("Bearer route", Role::kRoute), 200);
  EXPECT_EQ(world.status("Bearer route", Role::kCertificate), 403);
  EXPECT_EQ(world.status("Bearer certificate", Role::kCertificate), 200);
  EXPECT_EQ(world.status("Bearer hold", Role::kRoute), 403);
  EXPECT_EQ(world.status("Bearer hold", Role::kRead), 200);
  EXPECT_EQ(world.status("Bearer admin", Role::kCertificate), 200);
  EXPECT_EQ(world.status("Bearer hold", Role::kAdmin), 403);
}

TEST(Admission, RefusesATokenFromTheMomentItIsRemoved) {
  World world;
  auto command = Store::open(world.directory.path(), Store::Access::kCommand).value();
  ASSERT_TRUE(command->add_token({"ci", Role::kRoute, sha256("secret"), 1}));
  EXPECT_EQ(world.status("Bearer secret"), 200);
  ASSERT_TRUE(command->remove_token("ci").value());
  EXPECT_EQ(world.status("Bearer secret"), 401);
}

TEST(Admission, TakesNoTokenInClearTextFromAfar) {
  World world;
  ASSERT_TRUE(world.store->add_token({"ci", Role::kRoute, sha256("secret"), 1}));
  EXPECT_EQ(world.status("Bearer secret", Role::kRead, "203.0.113.7"), 403);
  EXPECT_EQ(world.status("Bearer secret", Role::kRead, "203.0.113.7", true), 200);
  EXPECT_EQ(world.status("Bearer secret", Role::kRead, "::1"), 200);
}

TEST(Admission, AsksForNothingOnTheUnixSocket) {
  World world;
  EXPECT_FALSE(world.admission.admit({Address::unix_peer(), false, ""}, Role::kAdmin).refusal);
}

TEST(Admission, MakesAnAddressWaitAfterTenFailures) {
  World world;
  ASSERT_TRUE(world.store->add_token({"ci", Role::kRoute, sha256("secret"), 1}));
  for (int i = 0; i < 10; ++i) EXPECT_EQ(world.status("Bearer wrong"), 401) << i;
  EXPECT_EQ(world.status("Bearer wrong"), 429);
  EXPECT_EQ(world.retry_after(), "6");
  EXPECT_EQ(world.status("Bearer secret"), 200) << "whoever shares the address goes on working";
  world.now += std::chrono::seconds(6);
  EXPECT_EQ(world.status("Bearer secret"), 200);
  EXPECT_EQ(world.status("Bearer wrong"), 401);
  EXPECT_EQ(world.status("Bearer wrong"), 429);
}

TEST(Admission, CountsANetworkOfIpv6AsOneAddress) {
  World world;
  for (int i = 0; i < 10; ++i) world.status("Bearer wrong", Role::kRead, "2001:db8::" + std::to_string(i + 1), true);
  EXPECT_EQ(world.status("Bearer wrong", Role::kRead, "2001:db8::ffff", true), 429);
  EXPECT_EQ(world.status("Bearer wrong", Role::kRead, "2001:db8:0:1::1", true), 401);
}

TEST(Admission, RemembersABoundedNumberOfAddresses) {
  World world;
  for (int i = 0; i < 10; ++i) world.status("Bearer wrong", Role::kRead, "10.9.9.9", true);
  for (int i = 0; i < 5000; ++i) {
    world.status("Bearer wrong", Role::kRead, "10.0." + std::to_string(i / 256) + "." + std::to_string(i % 256), true);
  }
  EXPECT_EQ(world.status("Bearer wrong", Role::kRead, "10.9.9.9", true), 429) << "the worst are remembered longest";
}

}  // namespace
}  // namespace hybridge
