// The fields of a head, and what they say together: one pass for requests and responses. For the codecs of this
// folder. RFC 9112 5, without obs-fold.
#pragma once

#include <string_view>

#include "base/error.h"
#include "proxy/http/message.h"

namespace hybridge::http {

struct FieldRules {
  Reason malformed;
  Reason too_many;
  std::size_t limit;
};

// Counts of the fields that decide framing and routing, and what Connection named.
struct FieldFacts {
  std::uint16_t hosts = 0;
  std::uint16_t content_lengths = 0;
  std::uint16_t transfer_encodings = 0;
  std::uint16_t expects = 0;
  std::uint16_t upgrades = 0;
  bool names_close = false;
  bool names_keep_alive = false;
  bool names_upgrade = false;
};

// `block`: all that follows the start line, the empty line included and nothing behind it.
Result<void> parse_fields(Headers& headers, FieldFacts& facts, std::string_view block, const FieldRules& rules);

// Digits only, at most 2^63-1. The error's detail says what is wrong; its reason is kBadFraming.
Result<std::uint64_t> parse_content_length(std::string_view value);

}  // namespace hybridge::http
