// Grows a string once by a known number of bytes and fills them in order: what a head is written with. For the
// codecs of this folder: count all pieces first, then put them.
#pragma once

#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>

namespace hybridge::http {

class Appender {
 public:
  // Room for at most `bytes` more; what is not used is cut off by the destructor.
  Appender(std::string& out, std::size_t bytes) : out_(out) {
    const auto before = out.size();
    out.resize(before + bytes);
    at_ = out.data() + before;
  }
  ~Appender() { out_.resize(static_cast<std::size_t>(at_ - out_.data())); }
  Appender(const Appender&) = delete;
  Appender& operator=(const Appender&) = delete;

  void put(std::string_view text) {
    text.copy(at_, text.size());
    at_ += text.size();
  }
  void put_number(std::uint64_t number) { at_ = std::to_chars(at_, at_ + kNumberBytes, number).ptr; }
  void put_field(std::string_view name, std::string_view value) {
    put(name);
    put(": ");
    put(value);
    put("\r\n");
  }

  static constexpr std::size_t kNumberBytes = 20;
  static constexpr std::size_t field_bytes(std::string_view name, std::string_view value) {
    return name.size() + value.size() + 4;
  }

 private:
  std::string& out_;
  char* at_;
};

}  // namespace hybridge::http
