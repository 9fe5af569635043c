// A file descriptor that closes itself. Moved, never copied; empty (-1) when it was moved from or released.
#pragma once

#include <unistd.h>

#include <utility>

namespace hybridge {

class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(other.release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    Descriptor given(std::move(other));
    std::swap(number_, given.number_);  // what was here before closes with `given`
    return *this;
  }
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }

  int get() const { return number_; }
  bool is_open() const { return number_ >= 0; }
  int release() { return std::exchange(number_, -1); }  // whoever takes it closes it

 private:
  int number_ = -1;
};

}  // namespace hybridge
