// Where the frames of a WebSocket end, in one direction: so that whoever must say something of his own says it between
// two of them (RFC 6455 5.2). Looks at headers only; payload is skipped.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/bytes.h"

namespace hybridge::http {

class WebSocketFrames {
 public:
  void feed(Bytes bytes);
  bool is_between() const { return header_size_ == 0 && payload_left_ == 0; }
  // How many of these bytes belong to the frame that has begun; all of them when it does not end here.
  std::size_t rest_of_frame(Bytes bytes) const;

 private:
  std::size_t take(Bytes bytes);  // up to the end of a frame, or all
  std::size_t header_bytes() const;

  std::array<std::uint8_t, 14> header_{};
  std::size_t header_size_ = 0;  // of the header that is coming
  std::uint64_t payload_left_ = 0;
};

// A Close with a status code (RFC 6455 5.5.1, 7.4), as a server sends it; 1012: the service restarts.
inline constexpr std::array<std::uint8_t, 4> kCloseServiceRestart = {0x88, 0x02, 1012 >> 8, 1012 & 0xff};

}  // namespace hybridge::http
