// A copy of an answer's body for somebody of ours who wants to read it, while it passes; bounded.
//
// Belongs to whoever reads; one thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace hybridge {

class AnswerTap {
 public:
  explicit AnswerTap(std::size_t most) : most_(most) {}

  void begin(std::string_view coding) {  // of its Content-Encoding
    coding_ = coding;
    body_.clear();
  }
  void append(Bytes piece) {
    if (body_.size() <= most_) body_.append(as_text(piece));  // one piece too many says that it is too long
  }
  // Without its coding; "": it is longer than that, or cannot be read.
  std::string text() const;

 private:
  const std::size_t most_;
  std::string coding_;
  std::string body_;
};

}  // namespace hybridge
