// The pages of conf/pages, as the build put them into the binary (cmake/embed_pages.cmake). For error_page.cc.
#pragma once

#include <span>
#include <string_view>

namespace hybridge::http {

struct EmbeddedPage {
  std::string_view name;  // without .html
  std::string_view html;
};
std::span<const EmbeddedPage> embedded_pages();

}  // namespace hybridge::http
