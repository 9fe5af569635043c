// Which bytes may stand where in a head, as tables, and the one search that all of a head's bytes go through.
// For the codecs of this folder.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace hybridge::http {

enum CharacterClass : std::uint8_t {
  kTokenCharacter = 1,   // RFC 9110 5.6.2
  kTargetCharacter = 2,  // of a request target: no CTL, no space, no '#'; bytes >= 0x80 pass, as browsers' old ways
  kHostCharacter = 4,    // letters, digits, hyphen, underscore, dot
  kPlainName = 8,        // of field names that no upstream can mistake for another: letters, digits, hyphen
  kHexDigit = 16,
};

inline constexpr std::array<std::uint8_t, 256> kCharacters = [] {
  std::array<std::uint8_t, 256> table{};
  for (unsigned c = 0; c < 256; ++c) {
    const bool digit = c >= '0' && c <= '9';
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (digit || letter) table[c] |= kTokenCharacter | kHostCharacter | kPlainName;
    if (digit || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')) table[c] |= kHexDigit;
    if (c > 0x20 && c != 0x7f && c != '#') table[c] |= kTargetCharacter;
  }
  for (const char c : std::string_view("!#$%&'*+-.^_`|~")) table[static_cast<unsigned char>(c)] |= kTokenCharacter;
  table['-'] |= kHostCharacter | kPlainName;
  table['_'] |= kHostCharacter;
  table['.'] |= kHostCharacter;
  return table;
}();

inline bool is_a(char c, CharacterClass kind) {
  return (kCharacters[static_cast<unsigned char>(c)] & kind) != 0;
}
inline bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
inline unsigned hex_value(char c) {  // of a kHexDigit
  return is_digit(c) ? static_cast<unsigned>(c - '0') : static_cast<unsigned>((c | 0x20) - 'a' + 10);
}

// Is every byte of the class? True for the empty string.
inline bool is_all(std::string_view text, CharacterClass kind) {
  for (const char c : text) {
    if (!is_a(c, kind)) return false;
  }
  return true;
}
inline bool is_token(std::string_view text) {
  return !text.empty() && is_all(text, kTokenCharacter);
}

// A byte that may not stand in a field value: CTL but HTAB (RFC 9110 5.5), DEL.
inline bool is_control(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte < 0x20 && byte != '\t') || byte == 0x7f;
}

#if defined(__SSE2__)
// A bit for each of sixteen bytes: those of control bytes are set.
inline unsigned controls_of_16(const char* at) {
  const auto bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
  const auto is_low = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
  const auto is_tab = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\t'));
  const auto is_del = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f));
  return static_cast<unsigned>(_mm_movemask_epi8(_mm_or_si128(_mm_andnot_si128(is_tab, is_low), is_del)));
}
#endif

// The first control byte in [at, end), or end. Line ends are found by this too: CR and LF are control bytes.
inline const char* find_control(const char* at, const char* end) {
#if defined(__SSE2__)
  if (end - at >= 16) {
    for (; end - at >= 16; at += 16) {
      if (const auto hits = controls_of_16(at)) return at + __builtin_ctz(hits);
    }
    // The rest together with bytes in front of it, which are known to be none.
    const auto hits = controls_of_16(end - 16);
    return hits != 0 ? end - 16 + __builtin_ctz(hits) : end;
  }
#endif
  while (at != end && !is_control(*at)) ++at;
  return at;
}

inline std::string_view trim(std::string_view text) {  // OWS: spaces and tabs
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// Calls `visit` with each member of a comma-separated list (RFC 9110 5.6.1), empty ones passed over.
template <class Visit>
void for_each_member(std::string_view list, Visit visit) {
  while (!list.empty()) {
    const auto comma = list.find(',');
    const auto member = trim(list.substr(0, comma));
    if (!member.empty()) visit(member);
    if (comma == std::string_view::npos) return;
    list.remove_prefix(comma + 1);
  }
}

// Client input for an error's detail: in double quotes, cut at 64 bytes, everything but printable ASCII escaped.
std::string excerpt(std::string_view text);
std::string excerpt(char c);  // one byte: `'x'`, or `0x1f` if it cannot be seen

}  // namespace hybridge::http
