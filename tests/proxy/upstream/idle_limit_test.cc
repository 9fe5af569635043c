#include "proxy/upstream/idle_limit.h"

#include <gtest/gtest.h>

namespace hybridge {
namespace {

using namespace std::chrono_literals;

TEST(IdleLimit, IsWhatIsConfiguredWhenNothingElseIsKnown) {
  EXPECT_EQ(IdleLimit().limit(8s, 0), 8s);
}

TEST(IdleLimit, IsLessThanWhatTheServerAnnounces) {
  EXPECT_EQ(IdleLimit().limit(8s, 5), 4s);
  EXPECT_EQ(IdleLimit().limit(8s, 2), 1500ms);
}

TEST(IdleLimit, IsNeverMoreThanConfigured) {
  EXPECT_EQ(IdleLimit().limit(8s, 75), 8s);
}

TEST(IdleLimit, LearnsFromAClose) {
  IdleLimit limit;
  limit.saw_close(3s);
  EXPECT_EQ(limit.limit(8s, 0), 2250ms);
  limit.saw_close(5s);
  EXPECT_EQ(limit.limit(8s, 0), 2250ms) << "a later close teaches nothing that is not known";
}

TEST(IdleLimit, IsNotRuinedByAReloadThatClosesEverything) {
  IdleLimit limit;
  limit.saw_close(1ms);
  EXPECT_EQ(limit.limit(8s, 0), IdleLimit::kShortest);
}

TEST(IdleLimit, ForgetsACloseAsConnectionsOutliveIt) {
  IdleLimit limit;
  limit.saw_close(1ms);
  auto before = limit.limit(8s, 0);
  for (int i = 0; i < 40; ++i) {
    limit.saw_survival();
    EXPECT_GE(limit.limit(8s, 0), before);
    before = limit.limit(8s, 0);
  }
  EXPECT_EQ(before, 8s);
}

}  // namespace
}  // namespace hybridge
