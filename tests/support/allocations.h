// How often this process has asked for memory: a hook on malloc and its sisters, counting while it is told to.
#pragma once

#include <cstdint>

namespace hybridge::test {

// False where a sanitizer has the allocator for itself: then nothing is counted.
extern const bool kCountsAllocations;

class CountedAllocations {
 public:
  CountedAllocations();
  ~CountedAllocations();
  std::uint64_t count() const;      // of the process
  std::uint64_t by_others() const;  // without those of this thread

 private:
  std::uint64_t before_;
  std::uint64_t own_before_;
};

// Bytes in use of all that was asked for, as the allocator knows it.
std::uint64_t bytes_in_use();

}  // namespace hybridge::test
