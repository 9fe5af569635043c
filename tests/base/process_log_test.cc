#include "base/process_log.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <string>
#include <thread>

namespace hybridge {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;
using testing::MatchesRegex;

class Pipe {
 public:
  Pipe() { EXPECT_EQ(::pipe2(ends_, O_CLOEXEC), 0); }
  ~Pipe() {
    ::close(ends_[0]);
    close_writer();
  }
  int writer() const { return ends_[1]; }
  void close_writer() {
    if (ends_[1] >= 0) ::close(ends_[1]);
    ends_[1] = -1;
  }
  std::string read_some() const {
    char bytes[65536];
    const auto size = ::read(ends_[0], bytes, sizeof bytes);
    return size <= 0 ? "" : std::string(bytes, static_cast<std::size_t>(size));
  }
  std::string read_all() {
    close_writer();
    std::string all;
    for (auto piece = read_some(); !piece.empty(); piece = read_some()) all += piece;
    return all;
  }

 private:
  int ends_[2] = {-1, -1};
};

TEST(ProcessLog, WritesALineAMessageWithItsTimeAndLevel) {
  Pipe pipe;
  {
    const ProcessLog process_log(log::Level::kInfo, ProcessLog::Style::kPlain, pipe.writer());
    log::info("listening on {}:{}", "127.0.0.1", 80);
  }
  EXPECT_THAT(pipe.read_all(), MatchesRegex("20..-..-..T..:..:..\\....Z info listening on 127.0.0.1:80\n"));
}

TEST(ProcessLog, GivesTheJournalPrioritiesInsteadOfTimes) {
  Pipe pipe;
  {
    const ProcessLog process_log(log::Level::kDebug, ProcessLog::Style::kJournal, pipe.writer());
    log::debug("a");
    log::info("b");
    log::warn("c");
    log::error("d");
  }
  EXPECT_EQ(pipe.read_all(), "<7>a\n<6>b\n<4>c\n<3>d\n");
}

TEST(ProcessLog, LeavesOutWhatIsBelowItsLevel) {
  Pipe pipe;
  {
    ProcessLog process_log(log::Level::kWarn, ProcessLog::Style::kJournal, pipe.writer());
    log::info("quiet");
    log::warn("loud");
    process_log.set_level(log::Level::kInfo);
    log::info("now heard");
  }
  EXPECT_EQ(pipe.read_all(), "<4>loud\n<6>now heard\n");
}

TEST(ProcessLog, LetsNoMessageForgeAnother) {
  Pipe pipe;
  {
    const ProcessLog process_log(log::Level::kInfo, ProcessLog::Style::kJournal, pipe.writer());
    log::info("host {}", "a\r\n<3>forged\x1b[2J");
  }
  EXPECT_EQ(pipe.read_all(), "<6>host a\\x0d\n    <3>forged\\x1b[2J\n");
}

TEST(ProcessLog, DropsMessagesRatherThanWaitForASlowReader) {
  Pipe pipe;  // 64 KiB fit; nobody reads until all has been logged
  std::string heard;
  std::thread reader;
  {
    const ProcessLog process_log(log::Level::kInfo, ProcessLog::Style::kJournal, pipe.writer());
    const std::string message(1000, 'x');
    for (int i = 0; i < 3000; ++i) log::info("{}", message);
    EXPECT_GT(process_log.lost(), 1000u);
    reader = std::thread([&] {
      while (!heard.ends_with("<6>end\n")) heard += pipe.read_some();
    });
    log::info("end");
  }
  reader.join();
  EXPECT_THAT(heard, HasSubstr(" messages were lost before this one\n"));
}

TEST(Occasionally, SaysHowOftenItHappenedSinceItWasLastSaid) {
  log::Occasionally occasionally(seconds{60});
  const std::chrono::steady_clock::time_point start{seconds{1000}};
  EXPECT_EQ(occasionally.happened(start), 1u);
  EXPECT_EQ(occasionally.happened(start + seconds{1}), std::nullopt);
  EXPECT_EQ(occasionally.happened(start + seconds{59}, 10), std::nullopt);
  EXPECT_EQ(occasionally.happened(start + seconds{60}), 12u);
  EXPECT_EQ(occasionally.happened(start + seconds{61}), std::nullopt);
}

}  // namespace
}  // namespace hybridge
