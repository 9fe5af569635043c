#include "proxy/log_line.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

namespace hybridge {
namespace {

TEST(LogLine, HoldsWhatWasPutSinceItBegan) {
  LogLine line;
  EXPECT_EQ(line.text(), "");
  line.begin();
  line.put("a longer line than the next");
  line.begin();
  line.put("short");
  line.put('!');
  line.put(std::string_view());
  EXPECT_EQ(line.text(), "short!");
}

TEST(LogLine, WritesNumbersOfEverySize) {
  LogLine line;
  line.put_number(std::numeric_limits<std::int64_t>::min());
  line.put(' ');
  line.put_number(std::numeric_limits<std::uint64_t>::max());
  line.put(' ');
  line.put_three_digits(7);
  line.put_three_digits(42);
  line.put_three_digits(999);
  EXPECT_EQ(line.text(), "-9223372036854775808 18446744073709551615 007042999");
}

TEST(LogLine, GrowsWithWhateverIsPut) {
  std::string expected;
  LogLine line;
  for (int i = 0; i < 5'000; ++i) {
    line.put("text");
    line.put(',');
    line.put_number(i);
    expected += "text," + std::to_string(i);
  }
  EXPECT_EQ(line.text(), expected);
}

}  // namespace
}  // namespace hybridge
