#include "proxy/http/normal_path.h"

#include "proxy/http/characters.h"

namespace hybridge::http {

namespace {
// Takes the last segment off, `/a/b/` → `/a/`.
void climb(std::string& path) {
  if (path.size() < 2) return;
  path.resize(path.rfind('/', path.size() - 2) + 1);
}

// The dots of a segment that has just ended mean what is already there.
void end_segment(std::string& path) {
  const auto segment = std::string_view(path).substr(path.rfind('/') + 1);
  if (segment == ".") path.resize(path.size() - 1);
  if (segment == "..") {
    path.resize(path.size() - 2);
    climb(path);
  }
}
}  // namespace

std::string_view normal_path(std::string_view path, std::string& scratch) {
  const bool is_normal = path.find('%') == std::string_view::npos && path.find("//") == std::string_view::npos &&
                         path.find("/.") == std::string_view::npos;
  if (is_normal) return path;
  scratch.clear();
  for (std::size_t i = 0; i < path.size(); ++i) {
    char c = path[i];
    if (c == '%' && i + 2 < path.size() && is_a(path[i + 1], kHexDigit) && is_a(path[i + 2], kHexDigit)) {
      c = static_cast<char>(hex_value(path[i + 1]) << 4 | hex_value(path[i + 2]));
      i += 2;
    }
    if (c != '/') {
      scratch += c;
      continue;
    }
    if (!scratch.empty()) end_segment(scratch);
    if (!scratch.ends_with('/')) scratch += c;
  }
  if (!scratch.empty()) end_segment(scratch);
  return scratch;
}

}  // namespace hybridge::http
