// What is wrong with a document: where, as a JSON path, and a sentence that says what would be right.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace hybridge {

struct Fault {
  std::string path;  // `sites["acme.example.com"].server`; "": the document as a whole
  std::string message;

  friend bool operator==(const Fault&, const Fault&) = default;
};

// Faults as they are found. All are counted, the first thousand kept: enough to mend a document by, and an answer
// that stays of a bounded size.
class Faults {
 public:
  static constexpr std::size_t kKept = 1000;

  void add(std::string path, std::string message) {
    ++count_;
    if (kept_.size() < kKept) kept_.push_back({std::move(path), std::move(message)});
  }
  bool empty() const { return count_ == 0; }
  std::size_t count() const { return count_; }
  const std::vector<Fault>& kept() const { return kept_; }

 private:
  std::vector<Fault> kept_;
  std::size_t count_ = 0;
};

}  // namespace hybridge
