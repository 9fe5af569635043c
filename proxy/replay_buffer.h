// The body of a request, kept until its answer has come, so that a request which its site stopped unread can be sent
// again (decisions.md 31). Bounded by request and, with everything that waits in holds, by process.
//
// A ReplayBuffer belongs to an exchange, the ReplayMemory to its worker; one thread.
#pragma once

#include <cstddef>
#include <functional>
#include <string>

#include "base/bytes.h"
#include "proxy/http/message.h"

namespace hybridge {

// A worker's part of the memory that holds may take: fetched and given back in large pieces, because the account that
// all workers share is no thing to touch with each request.
class ReplayMemory {
 public:
  struct Account {
    std::function<bool(std::size_t bytes)> charge;  // false: there is no more
    std::function<void(std::size_t bytes)> refund;
  };
  static constexpr std::size_t kPiece = 512 * 1024;

  explicit ReplayMemory(Account account) : account_(std::move(account)) {}
  ~ReplayMemory() { account_.refund(fetched_); }
  ReplayMemory(const ReplayMemory&) = delete;

  bool take(std::size_t bytes);
  void give(std::size_t bytes);
  std::size_t used() const { return used_; }

 private:
  const Account account_;
  std::size_t fetched_ = 0;
  std::size_t used_ = 0;
};

class ReplayBuffer {
 public:
  explicit ReplayBuffer(ReplayMemory& memory) : memory_(memory) {}
  ~ReplayBuffer() { drop(); }
  ReplayBuffer(const ReplayBuffer&) = delete;

  // A body begins. One that is known to be longer than `limit` bytes is not kept at all; of another nothing is, as soon
  // as it turns out to be longer, or memory is short.
  void start(const http::Framing& framing, std::size_t limit);
  void append(Bytes piece);
  void complete();  // the body has ended

  bool is_keeping() const { return state_ == State::kKeeping; }
  bool is_whole() const { return state_ == State::kWhole; }
  Bytes bytes() const { return as_bytes(kept_); }  // while it is whole
  void drop();                                     // it will not be sent again

 private:
  enum class State : std::uint8_t { kNone, kKeeping, kWhole };

  bool reserve(std::size_t bytes);

  ReplayMemory& memory_;
  std::string kept_;
  std::size_t charged_ = 0;
  std::size_t limit_ = 0;
  State state_ = State::kNone;
};

}  // namespace hybridge
