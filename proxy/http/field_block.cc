#include "proxy/http/field_block.h"

#include <limits>

#include "proxy/http/characters.h"

namespace hybridge::http {

namespace {

void note_connection(FieldFacts& facts, std::string_view list) {
  for_each_member(list, [&](std::string_view option) {
    facts.names_close = facts.names_close || equal_ignoring_case(option, "close");
    facts.names_keep_alive = facts.names_keep_alive || equal_ignoring_case(option, "keep-alive");
    facts.names_upgrade = facts.names_upgrade || equal_ignoring_case(option, "upgrade");
  });
}

void note(FieldFacts& facts, const Header& header) {
  switch (header.id) {
    case HeaderId::kHost:
      ++facts.hosts;
      break;
    case HeaderId::kContentLength:
      ++facts.content_lengths;
      break;
    case HeaderId::kTransferEncoding:
      ++facts.transfer_encodings;
      break;
    case HeaderId::kExpect:
      ++facts.expects;
      break;
    case HeaderId::kUpgrade:
      ++facts.upgrades;
      break;
    case HeaderId::kConnection:
      note_connection(facts, header.value);
      break;
    default:
      break;
  }
}

Error bad_name(const FieldRules& rules, const char* line, const char* at, const char* end) {
  if (at == line && at != end && (*at == ' ' || *at == '\t')) {
    return make_error(rules.malformed, "a field is folded over two lines; each field is one line");
  }
  if (at == line && at != end && *at == ':') return make_error(rules.malformed, "a field has no name before its colon");
  if (at == end || *at == '\r')
    return make_error(rules.malformed, "a line of the head has no colon: it is name: value");
  const std::string_view name(line, static_cast<std::size_t>(at - line));
  if (*at == ' ' || *at == '\t') {
    return make_error(rules.malformed, "white space follows the field name " + excerpt(name) + "; a colon must");
  }
  return make_error(rules.malformed, "the field name " + excerpt(name) + " goes on with the byte " + excerpt(*at) +
                                         "; names are tokens (letters, digits, !#$%&'*+-.^_`|~)");
}

}  // namespace

Result<void> parse_fields(Headers& headers, FieldFacts& facts, std::string_view block, const FieldRules& rules) {
  const char* at = block.data();
  const char* const end = at + block.size();
  while (at != end && *at != '\r') {
    const char* const line = at;
    while (at != end && is_a(*at, kTokenCharacter)) ++at;
    if (at == line || at == end || *at != ':') return bad_name(rules, line, at, end);
    const std::string_view name(line, static_cast<std::size_t>(at - line));
    ++at;
    while (at != end && (*at == ' ' || *at == '\t')) ++at;
    const char* const value = at;
    at = find_control(at, end);
    if (end - at < 2 || at[0] != '\r' || at[1] != '\n') {
      const auto what = at == end ? std::string("no end") : "the control byte " + excerpt(*at);
      return make_error(rules.malformed, "the field " + excerpt(name) + " has " + what);
    }
    const char* value_end = at;
    while (value_end != value && (value_end[-1] == ' ' || value_end[-1] == '\t')) --value_end;
    at += 2;
    if (headers.size() == rules.limit) {
      return make_error(rules.too_many,
                        "there are more fields than limits.headers (" + std::to_string(rules.limit) + ")");
    }
    const Header header{name, {value, static_cast<std::size_t>(value_end - value)}, to_header_id(name)};
    headers.add(header);
    note(facts, header);
  }
  if (std::string_view(at, static_cast<std::size_t>(end - at)) != "\r\n") {
    return make_error(rules.malformed, "the head does not end with one empty line");
  }
  return {};
}

Result<std::uint64_t> parse_content_length(std::string_view value) {
  constexpr std::uint64_t kMost = std::numeric_limits<std::int64_t>::max();
  std::uint64_t length = 0;
  for (const char c : value) {
    if (!is_digit(c)) return make_error(Reason::kBadFraming, "Content-Length " + excerpt(value) + " is not a number");
    const auto digit = static_cast<std::uint64_t>(c - '0');
    if (length > (kMost - digit) / 10) {
      return make_error(Reason::kBadFraming, "Content-Length " + excerpt(value) + " is larger than 2^63-1");
    }
    length = length * 10 + digit;
  }
  if (value.empty()) return make_error(Reason::kBadFraming, "Content-Length is empty; it is a number");
  return length;
}

}  // namespace hybridge::http
