#include "proxy/access_log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace hybridge {
namespace {

class AccessLogTest : public testing::Test {
 protected:
  AccessLogTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "hybridge-log-XXXXXX").string();
    directory_ = ::mkdtemp(pattern.data());
  }
  ~AccessLogTest() override { std::filesystem::remove_all(directory_); }

  Config::AccessLog config(std::string path) const {
    return {.path = std::move(path), .format = Config::LogFormat::kJson, .buffer = 64 * 1024};
  }
  std::string file(const std::string& name = "access.log") const { return (directory_ / name).string(); }

  static ExchangeRecord request(std::string_view id) {
    ExchangeRecord record;
    record.request_id = id;
    return record;
  }

  // The request ids of the file's lines; a line that is not one whole JSON object fails the test.
  static std::vector<std::string> ids(const std::string& path) {
    std::ifstream stream(path);
    std::vector<std::string> found;
    for (std::string line; std::getline(stream, line);) {
      boost::system::error_code error;
      const auto value = boost::json::parse(line, error);
      EXPECT_FALSE(error) << line;
      if (error) continue;
      found.emplace_back(value.as_object().at("request_id").as_string());
    }
    return found;
  }

  std::filesystem::path directory_;
};

TEST_F(AccessLogTest, WritesALineARequest) {
  AccessLog log(config(file()), 2);
  log.lane(0).write(request("a"));
  log.lane(1).write(request("b"));
  log.lane(0).write(request("c"));
  log.flush();
  auto written = ids(file());
  std::sort(written.begin(), written.end());
  EXPECT_EQ(written, (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(log.dropped(), 0u);
}

TEST_F(AccessLogTest, WritesWhatWaitsWhenItEnds) {
  {
    AccessLog log(config(file()), 1);
    for (int i = 0; i < 50; ++i) log.lane(0).write(request("x"));
  }
  EXPECT_EQ(ids(file()).size(), 50u);
}

TEST_F(AccessLogTest, AppendsToTheFileThatIsThere) {
  for (const auto* id : {"first", "second"}) {
    AccessLog log(config(file()), 1);
    log.lane(0).write(request(id));
  }
  EXPECT_EQ(ids(file()), (std::vector<std::string>{"first", "second"}));
}

TEST_F(AccessLogTest, MakesItsDirectoryAndKeepsTheFileFromOthers) {
  AccessLog log(config(file("new/deep/access.log")), 1);
  struct stat status {};
  ASSERT_EQ(::stat(file("new/deep/access.log").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07, 0u);
}

TEST_F(AccessLogTest, DoesNothingWithoutAPath) {
  AccessLog log(config(""), 1);
  EXPECT_FALSE(log.is_on());
  log.lane(0).write(request("a"));
  log.reopen();
  log.flush();
  EXPECT_EQ(log.dropped(), 0u);
}

TEST_F(AccessLogTest, ReopensTheFileForLogrotate) {
  AccessLog log(config(file()), 1);
  log.lane(0).write(request("before"));
  std::filesystem::rename(file(), file("access.log.1"));
  log.reopen();
  log.flush();
  log.lane(0).write(request("after"));
  log.flush();
  EXPECT_EQ(ids(file("access.log.1")), std::vector<std::string>{"before"});
  EXPECT_EQ(ids(file()), std::vector<std::string>{"after"});
}

TEST_F(AccessLogTest, KeepsTheOldFileWhenTheNewOneCannotBeOpened) {
  AccessLog log(config(file()), 1);
  std::filesystem::rename(file(), file("access.log.1"));
  std::filesystem::create_directory(file());
  log.reopen();
  log.flush();
  log.lane(0).write(request("kept"));
  log.flush();
  EXPECT_EQ(ids(file("access.log.1")), std::vector<std::string>{"kept"});
  EXPECT_EQ(log.dropped(), 0u);
}

TEST_F(AccessLogTest, CountsLinesWhileTheFileCannotBeOpened) {
  AccessLog log(config("/proc/no/such/file"), 1);
  log.lane(0).write(request("a"));
  log.lane(0).write(request("b"));
  log.flush();
  EXPECT_EQ(log.dropped(), 2u);
}

TEST_F(AccessLogTest, DropsAndCountsLinesOnAFullDisk) {
  AccessLog log(config("/dev/full"), 2);
  for (int i = 0; i < 10; ++i) log.lane(0).write(request("a"));
  log.lane(1).write(request("b"));
  log.flush();
  EXPECT_EQ(log.dropped(), 11u);
}

TEST_F(AccessLogTest, TearsNoLineWhenTheDiskFillsUpWithinOne) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  AccessLog log(config(file()), 1);
  const rlimit small{1000, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  for (int i = 0; i < 20; ++i) log.lane(0).write(request("early"));
  log.flush();
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  const auto written = ids(file()).size();
  EXPECT_GT(written, 0u);
  EXPECT_LT(written, 20u);
  EXPECT_EQ(log.dropped(), 20 - written);
  log.lane(0).write(request("late"));
  log.flush();
  EXPECT_EQ(ids(file()).size(), written + 1);
  EXPECT_EQ(ids(file()).back(), "late");
}

TEST_F(AccessLogTest, DropsLinesInsteadOfWaitingForASlowReader) {
  ASSERT_EQ(::mkfifo(file().c_str(), 0600), 0);
  std::ifstream reader;
  std::thread opening([&] { reader.open(file()); });  // a FIFO's reader waits for a writer
  const int writer = ::open(file().c_str(), O_WRONLY | O_CLOEXEC);
  opening.join();
  std::string heard;
  std::thread reading;
  std::uint64_t dropped = 0;
  constexpr int kLines = 5'000;
  {
    AccessLog log(config(file()), 1);
    ::close(writer);
    for (int i = 0; i < kLines; ++i) log.lane(0).write(request("a"));  // nobody reads: this must come to its end
    dropped = log.dropped();
    EXPECT_GT(dropped, 0u);
    reading = std::thread([&] {
      std::ostringstream all;
      all << reader.rdbuf();
      heard = all.str();
    });
  }
  reading.join();
  EXPECT_EQ(static_cast<std::uint64_t>(std::count(heard.begin(), heard.end(), '\n')), kLines - dropped);
  EXPECT_TRUE(heard.ends_with("}\n"));
}

TEST_F(AccessLogTest, KeepsLinesWholeWhereTheBufferWraps) {
  AccessLog log(config(file()), 1);
  std::uint64_t written = 0;
  for (int round = 0; round < 20; ++round) {
    for (int i = 0; i < 100; ++i, ++written)
      log.lane(0).write(request(std::string(static_cast<std::size_t>(i + 1), 'i')));
    log.flush();
  }
  EXPECT_EQ(log.dropped(), 0u);
  EXPECT_EQ(ids(file()).size(), written);
}

TEST_F(AccessLogTest, DropsALineThatIsLargerThanTheBuffer) {
  AccessLog log(config(file()), 1);
  const std::string huge(70'000, 'x');
  log.lane(0).write(request(huge));
  log.lane(0).write(request("small"));
  log.flush();
  EXPECT_EQ(ids(file()), std::vector<std::string>{"small"});
  EXPECT_EQ(log.dropped(), 1u);
}

TEST_F(AccessLogTest, TakesLinesOfSeveralWorkersAtOnce) {
  {
    AccessLog log(config(file()), 4);
    std::vector<std::thread> workers;
    for (std::size_t worker = 0; worker < 4; ++worker) {
      workers.emplace_back([&log, worker] {
        for (int i = 0; i < 100; ++i) log.lane(worker).write(request(std::to_string(worker)));
      });
    }
    for (auto& worker : workers) worker.join();
    EXPECT_EQ(log.dropped(), 0u);
  }
  EXPECT_EQ(ids(file()).size(), 400u);
}

}  // namespace
}  // namespace hybridge
