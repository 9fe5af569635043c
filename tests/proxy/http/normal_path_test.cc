#include "proxy/http/normal_path.h"

#include <gtest/gtest.h>

namespace hybridge::http {
namespace {

std::string normal(std::string_view path) {
  std::string scratch;
  return std::string(normal_path(path, scratch));
}

TEST(NormalPath, LeavesANormalOneWhereItIs) {
  std::string scratch;
  const std::string_view path = "/app/todo.list";
  EXPECT_EQ(normal_path(path, scratch).data(), path.data());
}

TEST(NormalPath, DecodesWhatIsEncoded) {
  EXPECT_EQ(normal("/%61dmin"), "/admin");
  EXPECT_EQ(normal("/a%2Fb"), "/a/b");
  EXPECT_EQ(normal("/%252e"), "/%2e");  // once
}

TEST(NormalPath, ResolvesDotSegments) {
  EXPECT_EQ(normal("/a/./b/../c"), "/a/c");
  EXPECT_EQ(normal("/a/b/.."), "/a/");
  EXPECT_EQ(normal("/a/."), "/a/");
  EXPECT_EQ(normal("/a/%2e%2e/b"), "/b");
  EXPECT_EQ(normal("/..a/...b"), "/..a/...b");
  EXPECT_EQ(normal("/a/%2e./%2E"), "/");
}

TEST(NormalPath, MergesSlashes) {
  EXPECT_EQ(normal("//a///b/"), "/a/b/");
  EXPECT_EQ(normal("/a//../b"), "/b");
}

TEST(NormalPath, NeverClimbsAboveTheRoot) {
  EXPECT_EQ(normal("/../../etc"), "/etc");
}

TEST(NormalPath, LeavesAPercentWithoutDigits) {
  EXPECT_EQ(normal("/%zz%4"), "/%zz%4");
}

}  // namespace
}  // namespace hybridge::http
