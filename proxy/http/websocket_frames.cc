#include "proxy/http/websocket_frames.h"

#include <algorithm>

namespace hybridge::http {

// Of the frame whose header is coming, as far as is known: the second byte tells how long the length is.
std::size_t WebSocketFrames::header_bytes() const {
  if (header_size_ < 2) return 2;
  const auto length = header_[1] & 0x7f;
  const std::size_t extended = length == 126 ? 2 : length == 127 ? 8 : 0;
  const std::size_t mask = (header_[1] & 0x80) != 0 ? 4 : 0;
  return 2 + extended + mask;
}

std::size_t WebSocketFrames::take(Bytes bytes) {
  std::size_t taken = 0;
  if (payload_left_ == 0) {
    while (header_size_ < header_bytes()) {
      if (taken == bytes.size()) return taken;
      header_[header_size_++] = bytes[taken++];
    }
    const auto length = header_[1] & 0x7f;
    payload_left_ = static_cast<std::uint64_t>(length);
    if (length >= 126) {
      payload_left_ = 0;
      for (std::size_t at = 2; at < (length == 126 ? 4u : 10u); ++at) payload_left_ = payload_left_ << 8 | header_[at];
    }
    header_size_ = 0;
  }
  const auto skipped = std::min<std::uint64_t>(payload_left_, bytes.size() - taken);
  payload_left_ -= skipped;
  return taken + static_cast<std::size_t>(skipped);
}

void WebSocketFrames::feed(Bytes bytes) {
  while (!bytes.empty()) bytes = bytes.subspan(take(bytes));
}

std::size_t WebSocketFrames::rest_of_frame(Bytes bytes) const {
  if (is_between()) return 0;
  auto ahead = *this;
  return ahead.take(bytes);
}

}  // namespace hybridge::http
