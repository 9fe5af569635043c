#include "proxy/http/body_decoder.h"

#include <algorithm>

#include "proxy/http/characters.h"

namespace hybridge::http {

namespace {

constexpr std::uint8_t kMaxDigits = 16;
constexpr std::uint16_t kMaxExtension = 256;
constexpr std::uint32_t kMaxExtensions = 16 * 1024;
constexpr std::uint32_t kMaxTrailers = 8 * 1024;

Error bad_chunk(std::string detail) {
  return make_error(Reason::kBadChunk, std::move(detail));
}
Error unexpected(std::string_view where, char c, std::string_view expected) {
  return bad_chunk(std::string(where) + " goes on with " + excerpt(c) + "; expected " + std::string(expected));
}

}  // namespace

void BodyDecoder::start(const Framing& framing, std::string* trailers) {
  *this = {};
  trailers_ = trailers;
  switch (framing.kind) {
    case Framing::Kind::kNone:
      break;
    case Framing::Kind::kLength:
      remaining_ = framing.length;
      state_ = remaining_ == 0 ? State::kDone : State::kLength;
      break;
    case Framing::Kind::kChunked:
      state_ = State::kChunkSize;
      break;
    case Framing::Kind::kUntilClose:
      state_ = State::kUntilClose;
      break;
  }
}

Result<BodyDecoder::Step> BodyDecoder::next(std::string_view input) {
  std::size_t at = 0;
  while (at < input.size() && state_ != State::kDone) {
    switch (state_) {
      case State::kUntilClose:
        return Step{input.size(), input};
      case State::kLength:
      case State::kChunkData: {
        const auto data = input.substr(at, static_cast<std::size_t>(std::min<std::uint64_t>(remaining_, input.size())));
        remaining_ -= data.size();
        if (remaining_ == 0) state_ = state_ == State::kLength ? State::kDone : State::kChunkDataCr;
        return Step{at + data.size(), data};
      }
      default:
        if (auto taken = take_framing(input[at]); !taken) return taken.error();
        ++at;
    }
  }
  return Step{at, {}};
}

Result<void> BodyDecoder::take_framing(char c) {
  switch (state_) {
    case State::kChunkSize:
      return take_size(c);
    case State::kChunkSizeLf:
      if (c != '\n') return unexpected("a chunk's first line", c, "LF after CR");
      state_ = remaining_ == 0 ? State::kTrailerStart : State::kChunkData;
      return {};
    case State::kChunkDataCr:
      if (c != '\r') return unexpected("a chunk", c, "CR LF after its data");
      state_ = State::kChunkDataLf;
      return {};
    case State::kChunkDataLf:
      if (c != '\n') return unexpected("a chunk", c, "LF after CR");
      state_ = State::kChunkSize;
      digits_ = 0;
      return {};
    case State::kTrailerStart:
    case State::kTrailerName:
    case State::kTrailerValue:
    case State::kTrailerLf:
    case State::kEndLf:
      return take_trailer(c);
    default:
      return take_extension(c);
  }
}

Result<void> BodyDecoder::take_size(char c) {
  if (is_a(c, kHexDigit)) {
    if (++digits_ > kMaxDigits) return bad_chunk("a chunk size has more than 16 digits");
    remaining_ = remaining_ * 16 + hex_value(c);
    return {};
  }
  if (digits_ == 0) return unexpected("a chunk size", c, "a hexadecimal digit");
  if (remaining_ > static_cast<std::uint64_t>(INT64_MAX)) return bad_chunk("a chunk size is larger than 2^63-1");
  extension_bytes_ = 0;
  return end_extension(c);
}

// After a chunk size or a whole extension: another extension, or the line's end.
Result<void> BodyDecoder::end_extension(char c) {
  if (c == ';') {
    state_ = State::kExtensionName;
    digits_ = 0;  // from here: has the name begun?
    return {};
  }
  if (c != '\r') return unexpected("a chunk's first line", c, "CR LF or an extension after ';'");
  state_ = State::kChunkSizeLf;
  return {};
}

// RFC 9112 7.1.1, without the white space that it calls bad.
Result<void> BodyDecoder::take_extension(char c) {
  if (++extension_bytes_ > kMaxExtension) return bad_chunk("a chunk's extensions have more than 256 bytes");
  if (++extension_total_ > kMaxExtensions) return bad_chunk("the chunk extensions of this body exceed 16 KiB");
  switch (state_) {
    case State::kExtensionName:
      if (is_a(c, kTokenCharacter)) {
        digits_ = 1;
        return {};
      }
      if (digits_ == 0) return unexpected("a chunk extension", c, "its name");
      if (c != '=') return end_extension(c);
      state_ = State::kExtensionValue;
      return {};
    case State::kExtensionValue:
      if (c != '"' && !is_a(c, kTokenCharacter)) return unexpected("a chunk extension", c, "its value");
      state_ = c == '"' ? State::kExtensionQuoted : State::kExtensionToken;
      return {};
    case State::kExtensionToken:
      return is_a(c, kTokenCharacter) ? Result<void>{} : end_extension(c);
    case State::kExtensionQuoted:
      // RFC 9110 5.6.4 knows quoted pairs, llhttp does not: where a quote ends would be a matter of opinion.
      if (is_control(c) || c == '\\') return unexpected("a chunk extension", c, "no control byte or backslash");
      if (c == '"') state_ = State::kExtensionQuotedEnd;
      return {};
    default:
      return end_extension(c);
  }
}

Result<void> BodyDecoder::take_trailer(char c) {
  if (++trailer_bytes_ > kMaxTrailers) return bad_chunk("the trailer fields exceed 8 KiB");
  if (trailers_) trailers_->push_back(c);
  switch (state_) {
    case State::kTrailerStart:
      if (c == '\r') {
        state_ = State::kEndLf;
        return {};
      }
      if (!is_a(c, kTokenCharacter)) return unexpected("a trailer field", c, "a field name or CR LF");
      state_ = State::kTrailerName;
      return {};
    case State::kTrailerName:
      if (c == ':') {
        state_ = State::kTrailerValue;
        return {};
      }
      if (!is_a(c, kTokenCharacter)) return unexpected("a trailer field's name", c, "a token and its colon");
      return {};
    case State::kTrailerValue:
      if (c == '\r') {
        state_ = State::kTrailerLf;
        return {};
      }
      if (is_control(c)) return unexpected("a trailer field's value", c, "no control byte");
      return {};
    case State::kTrailerLf:
      if (c != '\n') return unexpected("a trailer field", c, "LF after CR");
      state_ = State::kTrailerStart;
      return {};
    default:
      if (c != '\n') return unexpected("the end of the body", c, "LF after CR");
      state_ = State::kDone;
      return {};
  }
}

}  // namespace hybridge::http
