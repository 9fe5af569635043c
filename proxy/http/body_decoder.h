// Takes the framing off a body: content-length, chunked (strictly RFC 9112 7.1) or until close. Keeps no bytes:
// what it hands out are views into what it was given, but for trailers that somebody wants. Used for requests and
// responses alike.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "proxy/http/message.h"

namespace hybridge::http {

class BodyDecoder {
 public:
  struct Step {
    std::size_t consumed = 0;  // bytes of the input that are done with, framing and data
    std::string_view data;     // the next piece of the body, a view into the input; may be empty
  };

  // `trailers`: where the trailer section is kept, the empty line behind it included; nullptr: it is dropped.
  void start(const Framing& framing, std::string* trailers = nullptr);

  // Takes what it can from the front of `input`, up to the end of one run of data. consumed == 0 and no data: more
  // input is needed (or is_done()). kBadChunk: chunk sizes with signs, white space, overflow or more than 16 digits,
  // bare LF, extensions beyond 256 bytes a chunk or 16 KiB a body or malformed (no white space but in quotes, no quoted
  // pairs), trailers beyond 8 KiB or malformed. After an error the body is lost: do not call
  // next() again.
  Result<Step> next(std::string_view input);

  bool is_done() const { return state_ == State::kDone; }
  // The connection ended here: is the body complete? (True only when done, or when framed by the close.)
  bool is_complete_at_close() const { return is_done() || state_ == State::kUntilClose; }

 private:
  enum class State : std::uint8_t {
    kDone,
    kLength,
    kUntilClose,
    kChunkSize,
    kExtensionName,   // after the ';'
    kExtensionValue,  // after the '='
    kExtensionToken,
    kExtensionQuoted,
    kExtensionQuotedEnd,
    kChunkSizeLf,
    kChunkData,
    kChunkDataCr,
    kChunkDataLf,
    kTrailerStart,
    kTrailerName,
    kTrailerValue,
    kTrailerLf,
    kEndLf,
  };

  Result<void> take_framing(char c);
  Result<void> take_size(char c);
  Result<void> take_extension(char c);
  Result<void> take_trailer(char c);
  Result<void> end_extension(char c);

  State state_ = State::kDone;
  std::uint8_t digits_ = 0;
  std::uint16_t extension_bytes_ = 0;
  std::uint32_t extension_total_ = 0;
  std::uint32_t trailer_bytes_ = 0;
  std::uint64_t remaining_ = 0;
  std::string* trailers_ = nullptr;
};

}  // namespace hybridge::http
