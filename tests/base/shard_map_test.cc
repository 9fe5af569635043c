#include "base/shard_map.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <random>
#include <string>

namespace hybridge {
namespace {

std::string name(int number) {
  return "host-" + std::to_string(number) + ".example";
}

ShardMap<int> numbers(int count) {
  ShardMap<int>::Builder builder;
  for (int i = 0; i < count; ++i) builder.set(name(i), i);
  return std::move(builder).build();
}

TEST(ShardMap, IsEmptyAtFirst) {
  const ShardMap<int> map;
  EXPECT_TRUE(map.empty());
  EXPECT_EQ(map.find("a"), nullptr);
  EXPECT_EQ(map.find(""), nullptr);
  map.for_each([](const std::string&, int) { FAIL(); });
}

TEST(ShardMap, FindsWhatWasAddedAndNothingElse) {
  const auto map = ShardMap<int>{}.with("a.example", 1).with("b.example", 2);
  ASSERT_NE(map.find("a.example"), nullptr);
  EXPECT_EQ(*map.find("a.example"), 1);
  EXPECT_EQ(*map.find("b.example"), 2);
  EXPECT_EQ(map.find("a.exampl"), nullptr);
  EXPECT_EQ(map.find("a.example."), nullptr);
  EXPECT_EQ(map.size(), 2u);
}

TEST(ShardMap, LeavesTheOldMapAsItWas) {
  const auto one = ShardMap<int>{}.with("a", 1);
  const auto changed = one.with("a", 2);
  const auto removed = one.without("a");
  EXPECT_EQ(*one.find("a"), 1);
  EXPECT_EQ(*changed.find("a"), 2);
  EXPECT_EQ(changed.size(), 1u);
  EXPECT_EQ(removed.find("a"), nullptr);
  EXPECT_TRUE(removed.empty());
}

TEST(ShardMap, HoldsManyAndVisitsEachOnce) {
  constexpr int kCount = 20'000;
  const auto map = numbers(kCount);
  EXPECT_EQ(map.size(), std::size_t{kCount});
  for (int i = 0; i < kCount; ++i) {
    const auto* value = map.find(name(i));
    ASSERT_NE(value, nullptr) << i;
    ASSERT_EQ(*value, i);
  }
  std::vector<int> seen(kCount);
  map.for_each([&](const std::string& key, int value) {
    ASSERT_EQ(key, name(value));
    ++seen[static_cast<std::size_t>(value)];
  });
  EXPECT_EQ(std::count(seen.begin(), seen.end(), 1), kCount);
}

TEST(ShardMap, GrowsOneByOneAsItGrowsInBulk) {
  ShardMap<int> map;
  for (int i = 0; i < 3'000; ++i) map = map.with(name(i), i);
  for (int i = 0; i < 3'000; ++i) ASSERT_EQ(*map.find(name(i)), i);
  EXPECT_EQ(map.size(), 3'000u);
}

// The values know how often they were copied: a change must touch one shard, not the table.
struct Counted {
  explicit Counted(std::shared_ptr<int> counter) : copies(std::move(counter)) {}
  Counted(const Counted& other) : copies(other.copies) { ++*copies; }
  Counted& operator=(const Counted& other) {
    copies = other.copies;
    ++*copies;
    return *this;
  }
  Counted(Counted&&) = default;
  Counted& operator=(Counted&&) = default;
  std::shared_ptr<int> copies;
};

TEST(ShardMap, CopiesOneShardForAChange) {
  auto copies = std::make_shared<int>(0);
  ShardMap<Counted>::Builder builder;
  for (int i = 0; i < 20'000; ++i) builder.set(name(i), Counted(copies));
  auto map = std::move(builder).build();
  int most = 0;
  for (int i = 20'000; i < 30'000; ++i) {
    *copies = 0;
    map = map.with(name(i), Counted(copies));
    most = std::max(most, *copies);
  }
  EXPECT_GT(most, 0);
  EXPECT_LE(most, 300);  // a shard, copied and split
}

TEST(ShardMap, AgreesWithAnOrdinaryMapAfterRandomChanges) {
  std::mt19937 random(7);
  std::map<std::string, int> expected;
  ShardMap<int> map;
  for (int step = 0; step < 20'000; ++step) {
    const auto key = name(static_cast<int>(random() % 2'000));
    if (random() % 3 == 0) {
      expected.erase(key);
      map = map.without(key);
    } else {
      expected[key] = step;
      map = map.with(key, step);
    }
    ASSERT_EQ(map.size(), expected.size());
  }
  for (int i = 0; i < 2'000; ++i) {
    const auto at = expected.find(name(i));
    const auto* value = map.find(name(i));
    ASSERT_EQ(value != nullptr, at != expected.end()) << i;
    if (value) {
      ASSERT_EQ(*value, at->second);
    }
  }
}

TEST(ShardMap, BuilderChangesManyAtOnceWithoutTouchingItsOrigin) {
  const auto before = numbers(1'000);
  ShardMap<int>::Builder builder(before);
  for (int i = 0; i < 500; ++i) EXPECT_TRUE(builder.erase(name(i)));
  EXPECT_FALSE(builder.erase("missing"));
  for (int i = 500; i < 600; ++i) builder.set(name(i), -1);
  ASSERT_NE(builder.find(name(550)), nullptr);
  EXPECT_EQ(builder.size(), 500u);
  const auto after = std::move(builder).build();
  EXPECT_EQ(after.size(), 500u);
  EXPECT_EQ(*after.find(name(550)), -1);
  EXPECT_EQ(*after.find(name(999)), 999);
  EXPECT_EQ(after.find(name(0)), nullptr);
  EXPECT_EQ(before.size(), 1'000u);
  EXPECT_EQ(*before.find(name(550)), 550);
  EXPECT_EQ(*before.find(name(0)), 0);
}

TEST(HashName, DependsOnEveryByteAndTheLength) {
  EXPECT_EQ(hash_name("a.example"), hash_name("a.example"));
  EXPECT_NE(hash_name("a.example"), hash_name("b.example"));
  EXPECT_NE(hash_name(""), hash_name(std::string_view("\0", 1)));
  EXPECT_NE(hash_name("12345678"), hash_name("123456789"));
}

}  // namespace
}  // namespace hybridge
