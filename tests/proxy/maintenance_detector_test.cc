#include "proxy/maintenance_detector.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace hybridge {
namespace {

using namespace std::chrono_literals;
using http::Ping;
using Verdict = MaintenanceDetector::Verdict;

// A site's 503s by a clock that the test moves; what the detector orders is written down, one word each.
class Detector : public testing::Test, protected MaintenanceDetector::Orders {
 protected:
  void probe(Duration after) override {
    orders += "probe " + std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(after).count()) + ";";
  }
  void begin() override { orders += "begin;"; }
  void renew() override { orders += "renew;"; }
  void end() override { orders += "end;"; }
  void tell(Verdict verdict) override {
    orders += verdict == Verdict::kHeld ? "held;" : verdict == Verdict::kOver ? "over;" : "pass;";
  }

  // The verdict on a 503, or the word "waits".
  std::string see(bool says_stopped = true) {
    const auto verdict = detector.saw_503(says_stopped, now);
    if (!verdict) return "waits";
    return *verdict == Verdict::kHeld ? "held" : *verdict == Verdict::kOver ? "over" : "pass";
  }
  std::string after(Ping ping) {
    orders.clear();
    detector.answered(ping, now);
    return orders;
  }
  void hold() {
    see();
    detector.answered(Ping::kStopped, now);
    detector.begun(true, now);
    orders.clear();
  }

  TimePoint now{1h};
  std::string orders;
  MaintenanceDetector detector{*this};
};

TEST_F(Detector, AsksTheSiteAtTheFirst503) {
  EXPECT_EQ(see(), "waits");
  EXPECT_EQ(orders, "probe 0;");
}

TEST_F(Detector, AsksOnceHoweverMany503sCome) {
  see();
  EXPECT_EQ(see(), "waits");
  EXPECT_EQ(see(false), "waits");
  EXPECT_EQ(orders, "probe 0;");
}

TEST_F(Detector, OpensAWindowOnTheSitesWordAlone) {
  see();
  EXPECT_EQ(after(Ping::kStopped), "begin;");
  EXPECT_EQ(see(), "waits") << "the window is not there yet";
  orders.clear();
  detector.begun(true, now);
  EXPECT_EQ(orders, "probe 250;held;");
  EXPECT_EQ(see(), "held");
  EXPECT_EQ(see(false), "held");
}

TEST_F(Detector, LetsThe503PassWhereTheWindowIsRefused) {
  see();
  detector.answered(Ping::kStopped, now);
  orders.clear();
  detector.begun(false, now);
  EXPECT_EQ(orders, "pass;");
}

TEST_F(Detector, LetsThe503PassWhereTheSiteSaysOtherwise) {
  see(false);
  EXPECT_EQ(after(Ping::kOtherwise), "pass;");
}

TEST_F(Detector, SaysThatItIsOverWhereTheSiteWorks) {
  see();
  EXPECT_EQ(after(Ping::kPong), "over;");
}

TEST_F(Detector, RemembersFor5SecondsThatA503WasNoMaintenance) {
  see(false);
  detector.answered(Ping::kPong, now);
  orders.clear();
  now += 4999ms;
  EXPECT_EQ(see(false), "pass");
  EXPECT_EQ(orders, "");
  EXPECT_EQ(detector.idle_at(), now + 1ms);
  now += 1ms;
  EXPECT_EQ(see(false), "waits");
  EXPECT_EQ(orders, "probe 0;");
}

TEST_F(Detector, LooksAgainAtA503ThatSaysItselfThatItIsMaintenance) {
  see(false);
  detector.answered(Ping::kOtherwise, now);
  orders.clear();
  EXPECT_EQ(see(true), "waits");
  EXPECT_EQ(orders, "probe 0;");
}

TEST_F(Detector, AsksForASecondBeforeItTakesNoAnswerForNoMaintenance) {
  see();
  EXPECT_EQ(after(Ping::kNoAnswer), "probe 250;");
  now += 999ms;
  EXPECT_EQ(after(Ping::kNoAnswer), "probe 250;");
  now += 1ms;
  EXPECT_EQ(after(Ping::kNoAnswer), "pass;");
  EXPECT_EQ(see(false), "pass");
}

TEST_F(Detector, OpensTheWindowWhenTheAnswerComesLate) {
  see();
  detector.answered(Ping::kNoAnswer, now);
  EXPECT_EQ(after(Ping::kStopped), "begin;");
}

TEST_F(Detector, ProbesEvery250MillisecondsAndRenewsWhileTheSiteIsStopped) {
  hold();
  EXPECT_EQ(after(Ping::kStopped), "renew;probe 250;");
  EXPECT_EQ(after(Ping::kStopped), "renew;probe 250;");
}

TEST_F(Detector, TakesSilenceAnd404ForMaintenanceWhileItLasts) {
  hold();
  EXPECT_EQ(after(Ping::kNoAnswer), "renew;probe 250;");
  EXPECT_EQ(see(), "held");
}

TEST_F(Detector, DoesNotRenewWhereTheSiteAnswersWithSomethingElse) {
  hold();
  EXPECT_EQ(after(Ping::kOtherwise), "probe 250;");
}

TEST_F(Detector, EndsWithThePongAndRemembersNothing) {
  hold();
  EXPECT_EQ(after(Ping::kPong), "end;");
  EXPECT_LE(detector.idle_at(), now);
  EXPECT_EQ(see(false), "waits");
}

TEST_F(Detector, IsOffAfterTheWindowExpiredUntilAPong) {
  hold();
  detector.ended(true);
  EXPECT_EQ(see(), "pass");
  EXPECT_EQ(after(Ping::kStopped), "probe 500;");
  EXPECT_EQ(see(), "pass");
  EXPECT_EQ(after(Ping::kPong), "");
  EXPECT_EQ(see(), "waits");
}

TEST_F(Detector, BacksOffTo30SecondsWhileItIsOff) {
  hold();
  detector.ended(true);
  for (const int pause : {500, 1'000, 2'000, 4'000, 8'000, 16'000, 30'000, 30'000}) {
    EXPECT_EQ(after(Ping::kStopped), "probe " + std::to_string(pause) + ";");
  }
  EXPECT_EQ(detector.idle_at(), kNever);
}

TEST_F(Detector, BeginsAgainWhereTheWindowEndedForAGoodReason) {
  hold();
  detector.ended(false);
  EXPECT_EQ(see(), "waits");
  EXPECT_EQ(after(Ping::kStopped), "begin;");
}

TEST_F(Detector, GoesOnProbingAfterARestart) {
  detector.resumed();
  EXPECT_EQ(orders, "probe 0;");
  EXPECT_EQ(see(), "held");
  EXPECT_EQ(after(Ping::kPong), "end;");
}

TEST_F(Detector, ForgetsASiteThatIsRemoved) {
  see();
  orders.clear();
  detector.removed();
  EXPECT_EQ(orders, "pass;");
  EXPECT_LE(detector.idle_at(), now);
  hold();
  detector.removed();
  EXPECT_EQ(orders, "end;");
  EXPECT_EQ(after(Ping::kStopped), "");
}

TEST_F(Detector, ForgetsTheSiteOnlyWhenNothingIsToBeRemembered) {
  EXPECT_LE(detector.idle_at(), now);
  see();
  EXPECT_EQ(detector.idle_at(), kNever);
  detector.answered(Ping::kOtherwise, now);
  EXPECT_EQ(detector.idle_at(), now + 5s);
}

}  // namespace
}  // namespace hybridge
