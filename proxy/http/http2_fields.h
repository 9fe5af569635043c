// The head of an answer as nghttp2 takes it. For the codec of this folder.
#pragma once

#include <nghttp2/nghttp2.h>

#include <array>
#include <boost/container/small_vector.hpp>
#include <cassert>
#include <charconv>
#include <cstdint>
#include <string_view>

#include "proxy/http/message.h"

namespace hybridge::http {

// Refers to the head, and to its own memory: stays where it is made until nghttp2 has taken it.
class Http2Fields {
 public:
  // :status (RFC 8441 5: a WebSocket's 101 is a 200) and what is not of a connection.
  explicit Http2Fields(const ResponseHead& head) : Http2Fields(head.headers.size() + 2) {
    add_known(":status", number(status_, head.status == 101 ? 200u : static_cast<unsigned>(head.status)));
    for (const auto& header : head.headers) {
      if (is_connections_own(header.id)) continue;
      // Of a handshake that only the server behind took part in.
      if (head.status == 101 && equal_ignoring_case(header.name, "sec-websocket-accept")) continue;
      // What is another one each time would only push what repeats out of the table.
      add(header, header.id == HeaderId::kXRequestId ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE);
    }
  }
  // What follows a body.
  explicit Http2Fields(const Headers& trailers) : Http2Fields(trailers.size()) {
    for (const auto& field : trailers) {
      if (!is_connections_own(field.id)) add(field);
    }
  }
  Http2Fields(const Http2Fields&) = delete;

  // Of an answer's head, once.
  void add_length(std::uint64_t length) { add_known("content-length", number(length_, length)); }

  const nghttp2_nv* data() const { return fields_.data(); }
  std::size_t size() const { return count_; }

 private:
  using Digits = std::array<char, 20>;

  explicit Http2Fields(std::size_t most) : fields_(most, boost::container::default_init) {}

  void add(const Header& header, std::uint8_t flags = NGHTTP2_NV_FLAG_NONE) {
    const auto name = lower_case_name(header.id);
    if (!name.empty()) return add_known(name, header.value, flags);
    put(header.name, header.value, flags);
  }
  // A name in lower case that stays: nghttp2 need not copy it, nor write it in lower case.
  void add_known(std::string_view name, std::string_view value, std::uint8_t flags = NGHTTP2_NV_FLAG_NONE) {
    put(name, value, flags | NGHTTP2_NV_FLAG_NO_COPY_NAME);
  }
  void put(std::string_view name, std::string_view value, unsigned flags) {
    const auto bytes = [](std::string_view text) {
      return const_cast<std::uint8_t*>(reinterpret_cast<const std::uint8_t*>(text.data()));
    };
    assert(count_ < fields_.size());
    fields_[count_++] = {bytes(name), bytes(value), name.size(), value.size(), static_cast<std::uint8_t>(flags)};
  }
  static std::string_view number(Digits& digits, std::uint64_t value) {
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
    return {digits.data(), static_cast<std::size_t>(end - digits.data())};
  }

  Digits status_;
  Digits length_;
  boost::container::small_vector<nghttp2_nv, 48> fields_;  // of which the first count_ are
  std::size_t count_ = 0;
};

}  // namespace hybridge::http
