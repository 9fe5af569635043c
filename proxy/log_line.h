// The bytes of a line while it is made: memory that is kept from line to line, and grows to the longest.
//
// Owned by a LogFormat; one thread. What is put is copied; the line is valid until the next one is begun.
#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace hybridge {

class LogLine {
 public:
  void begin() { size_ = 0; }
  std::string_view text() const { return {bytes_.data(), size_}; }

  // Inlined even where there are many calls: a text known while compiling is then stored by a few instructions.
  [[gnu::always_inline]] void put(std::string_view text) {
    auto* const at = room(text.size());
    if (!text.empty()) std::memcpy(at, text.data(), text.size());
    size_ += text.size();
  }
  [[gnu::always_inline]] void put(char c) {
    *room(1) = c;
    ++size_;
  }
  template <class Number>
  void put_number(Number number) {
    auto* const at = room(kNumberBytes);
    size_ += static_cast<std::size_t>(std::to_chars(at, at + kNumberBytes, number).ptr - at);
  }
  void put_three_digits(std::int64_t below_1000) {  // 7: 007
    put(static_cast<char>('0' + below_1000 / 100));
    put(static_cast<char>('0' + below_1000 / 10 % 10));
    put(static_cast<char>('0' + below_1000 % 10));
  }

 private:
  static constexpr std::size_t kNumberBytes = 20;  // of any 64-bit number with its sign

  [[gnu::always_inline]] char* room(std::size_t bytes) {
    if (bytes_.size() - size_ < bytes) [[unlikely]] {
      grow(bytes);
    }
    return bytes_.data() + size_;
  }
  [[gnu::noinline]] void grow(std::size_t bytes) { bytes_.resize(2 * (bytes_.size() + bytes)); }

  std::string bytes_;  // of which the first size_ are the line
  std::size_t size_ = 0;
};

}  // namespace hybridge
