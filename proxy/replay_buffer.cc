#include "proxy/replay_buffer.h"

#include <algorithm>

namespace hybridge {

namespace {
constexpr std::size_t kFirst = 4 * 1024;  // of a body whose length is not known
}

bool ReplayMemory::take(std::size_t bytes) {
  if (used_ + bytes > fetched_) {
    const auto wanted = std::max(kPiece, used_ + bytes - fetched_);
    if (!account_.charge(wanted)) return false;
    fetched_ += wanted;
  }
  used_ += bytes;
  return true;
}

void ReplayMemory::give(std::size_t bytes) {
  used_ -= bytes;
  // One piece stays, so that a worker at the edge of one does not fetch it for every request.
  if (fetched_ - used_ < 2 * kPiece) return;
  const auto surplus = fetched_ - used_ - kPiece;
  fetched_ -= surplus;
  account_.refund(surplus);
}

void ReplayBuffer::start(const http::Framing& framing, std::size_t limit) {
  drop();
  const bool is_known = framing.kind == http::Framing::Kind::kLength;
  if (limit == 0 || (is_known && framing.length > limit)) return;
  limit_ = limit;
  state_ = State::kKeeping;
  if (!reserve(is_known ? static_cast<std::size_t>(framing.length) : std::min(kFirst, limit))) drop();
}

void ReplayBuffer::append(Bytes piece) {
  if (state_ != State::kKeeping) return;
  const auto bytes = kept_.size() + piece.size();
  if (bytes > limit_ || (bytes > charged_ && !reserve(std::min(limit_, std::max(bytes, 2 * charged_))))) {
    drop();
    return;
  }
  kept_.append(as_text(piece));
}

void ReplayBuffer::complete() {
  if (state_ == State::kKeeping) state_ = State::kWhole;
}

bool ReplayBuffer::reserve(std::size_t bytes) {
  if (!memory_.take(bytes - charged_)) return false;
  charged_ = bytes;
  kept_.reserve(bytes);
  return true;
}

void ReplayBuffer::drop() {
  if (state_ == State::kNone) return;
  state_ = State::kNone;
  memory_.give(charged_);
  charged_ = 0;
  std::string{}.swap(kept_);
}

}  // namespace hybridge
