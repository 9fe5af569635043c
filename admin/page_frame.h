// What the admin side's pages have in common: HTML that is escaped unless it is ours, the frame with its style and
// script, and the fields that keep browsers from doing more with it. Pure functions; no files beside them.
//
// Policy: nothing is loaded from anywhere; style and script are ours by their hashes, the same in each page, so that a
// page may be parsed by another; no page may frame these.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "admin/api_route.h"

namespace hybridge {

class Html {
 public:
  Html& raw(std::string_view ours) {
    out_.append(ours);
    return *this;
  }
  Html& text(std::string_view anybodys);  // for element content and quoted attributes
  template <class Number>
  Html& number(Number value) {
    return raw(std::to_string(value));
  }
  std::string take() { return std::move(out_); }

 private:
  std::string out_;
};

// ` name="value"`, of our own name.
void attribute(Html& html, std::string_view name, std::string_view value);
void hidden_field(Html& html, std::string_view name, std::string_view value);

struct PageFrame {
  std::string_view title;
  bool is_live = false;  // asks for itself every few seconds, and takes over its parts that have `data-live`
};
std::string in_frame(const PageFrame& frame, std::string_view body);

// A page as an answer, with its policy.
ApiAnswer page_answer(int status, const PageFrame& frame, std::string_view body);

// Something was not done, or is not there: a page that says so, and leads back.
ApiAnswer notice_page(int status, std::string_view title, std::string_view text);

}  // namespace hybridge
