#include "proxy/log_format.h"

#include <array>
#include <cstdio>
#include <ctime>
#include <string_view>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace hybridge {
namespace {

constexpr char kUpperHex[] = "0123456789ABCDEF";
constexpr char kLowerHex[] = "0123456789abcdef";

// Bytes that stand for themselves in both formats: printable ASCII but the quote and the backslash.
constexpr auto kPlain = [] {
  std::array<bool, 256> plain{};
  for (std::size_t byte = 0x20; byte < 0x7f; ++byte) plain[byte] = byte != '"' && byte != '\\';
  return plain;
}();

std::size_t plain_prefix(std::string_view text) {
  std::size_t at = 0;
#if defined(__SSE2__)
  // Bytes from 0x80 are negative: below the first that is plain, like controls.
  const auto first = _mm_set1_epi8(0x1f);
  const auto last = _mm_set1_epi8(0x7e);
  const auto quote = _mm_set1_epi8('"');
  const auto backslash = _mm_set1_epi8('\\');
  for (; text.size() - at >= 16; at += 16) {
    const auto bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text.data() + at));
    const auto in_range = _mm_andnot_si128(_mm_cmpgt_epi8(bytes, last), _mm_cmpgt_epi8(bytes, first));
    const auto is_special = _mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, backslash));
    const int plain = _mm_movemask_epi8(_mm_andnot_si128(is_special, in_range));
    if (plain != 0xffff) return at + static_cast<std::size_t>(__builtin_ctz(~static_cast<unsigned>(plain)));
  }
#endif
  while (at < text.size() && kPlain[static_cast<unsigned char>(text[at])]) ++at;
  return at;
}

// The length of the well-formed UTF-8 sequence that begins here (Unicode 15, table 3-7); 0: there is none.
std::size_t utf8_sequence(std::string_view text) {
  const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
  const auto continues = [&](std::size_t at) { return at < text.size() && (byte(at) & 0xc0) == 0x80; };
  const auto first = byte(0);
  if (first < 0x80) return 1;
  if (first < 0xc2 || first > 0xf4 || !continues(1)) return 0;
  if (first < 0xe0) return 2;
  if ((first == 0xe0 && byte(1) < 0xa0) || (first == 0xed && byte(1) > 0x9f)) return 0;
  if ((first == 0xf0 && byte(1) < 0x90) || (first == 0xf4 && byte(1) > 0x8f)) return 0;
  if (!continues(2)) return 0;
  if (first < 0xf0) return 3;
  return continues(3) ? 4 : 0;
}

// RFC 8259 7. A byte that is no UTF-8 becomes U+FFFD.
void append_json_text(std::string_view text, LogLine& line) {
  line.put('"');
  while (true) {
    const auto plain = plain_prefix(text);
    line.put(text.substr(0, plain));
    text.remove_prefix(plain);
    if (text.empty()) break;
    const auto byte = static_cast<unsigned char>(text[0]);
    std::size_t taken = 1;
    if (byte == '"' || byte == '\\') {
      line.put('\\');
      line.put(text[0]);
    } else if (byte < 0x20) {
      line.put("\\u00");
      line.put(kLowerHex[byte >> 4]);
      line.put(kLowerHex[byte & 15]);
    } else if (taken = utf8_sequence(text); taken > 0) {
      line.put(text.substr(0, taken));
    } else {
      line.put("\\ufffd");
      taken = 1;
    }
    text.remove_prefix(taken);
  }
  line.put('"');
}

// nginx's escape=default.
void append_nginx_text(std::string_view text, LogLine& line) {
  if (text.empty()) {
    line.put('-');
    return;
  }
  while (true) {
    const auto plain = plain_prefix(text);
    line.put(text.substr(0, plain));
    text.remove_prefix(plain);
    if (text.empty()) return;
    const auto byte = static_cast<unsigned char>(text[0]);
    line.put("\\x");
    line.put(kUpperHex[byte >> 4]);
    line.put(kUpperHex[byte & 15]);
    text.remove_prefix(1);
  }
}

// A count of thousandths as a decimal: 12345 → 12.345.
void append_thousandths(std::int64_t thousandths, LogLine& line) {
  const auto count = thousandths > 0 ? thousandths : 0;
  line.put_number(count / 1000);
  line.put('.');
  line.put_three_digits(count % 1000);
}

// Not inlined, as it would be once a field.
[[gnu::noinline]] void append_json_value(std::string_view text, LogLine& line) {
  if (text.empty()) {
    line.put("null");
  } else {
    append_json_text(text, line);
  }
}

// Inlined for the sake of the keys, which are then stored as constants.
[[gnu::always_inline]] inline void append_json_text_or_null(std::string_view key, std::string_view text,
                                                            LogLine& line) {
  line.put(key);
  append_json_value(text, line);
}

[[gnu::always_inline]] inline void append_json_ms(std::string_view key, std::int64_t microseconds, LogLine& line) {
  line.put(key);
  if (microseconds < 0) {
    line.put("null");
  } else {
    append_thousandths(microseconds, line);
  }
}

template <class Number>
[[gnu::always_inline]] inline void append_json_number(std::string_view key, Number number, LogLine& line) {
  line.put(key);
  line.put_number(number);
}

}  // namespace

std::string_view LogFormat::line(const ExchangeRecord& record) {
  line_.begin();
  if (format_ == Config::LogFormat::kJson) {
    append_json(record);
  } else {
    append_frappe(record);
  }
  return line_.text();
}

void LogFormat::append_json(const ExchangeRecord& record) {
  line_.put("{\"ts\":\"");
  append_utc(record.start_ms);
  append_json_text_or_null("\",\"request_id\":", record.request_id, line_);
  append_json_text_or_null(",\"site\":", record.site, line_);
  append_json_text_or_null(",\"host\":", record.host, line_);
  append_json_text_or_null(",\"client\":", record.client, line_);
  append_json_text_or_null(",\"method\":", record.method, line_);
  append_json_text_or_null(",\"path\":", record.target, line_);
  append_json_number(",\"status\":", record.status, line_);
  append_json_text_or_null(",\"reason\":", code(record.reason), line_);
  append_json_text_or_null(",\"protocol\":", record.protocol, line_);
  if (record.tls_version.empty()) {
    line_.put(",\"tls\":null");
  } else {
    append_json_text_or_null(",\"tls\":{\"version\":", record.tls_version, line_);
    line_.put(record.tls_resumed ? ",\"resumed\":true}" : ",\"resumed\":false}");
  }
  append_json_text_or_null(",\"server\":", record.server, line_);
  append_json_text_or_null(",\"endpoint\":", record.endpoint, line_);
  append_json_number(",\"bytes_in\":", record.bytes_in, line_);
  append_json_number(",\"bytes_out\":", record.bytes_out, line_);
  append_json_ms(",\"ms\":{\"head\":", record.timings.head, line_);
  append_json_ms(",\"hold\":", record.timings.hold, line_);
  append_json_ms(",\"queue\":", record.timings.queue, line_);
  append_json_ms(",\"connect\":", record.timings.connect, line_);
  append_json_ms(",\"first_byte\":", record.timings.first_byte, line_);
  append_json_ms(",\"total\":", record.timings.total, line_);
  append_json_number("},\"retries\":", record.retries, line_);
  append_json_text_or_null(",\"hold_id\":", record.hold_id, line_);
  if (!record.trace_id.empty()) append_json_text_or_null(",\"trace_id\":", record.trace_id, line_);
  if (!record.rule.empty()) append_json_text_or_null(",\"rule\":", record.rule, line_);
  if (!record.would_limit.empty()) append_json_text_or_null(",\"would_limit\":", record.would_limit, line_);
  if (!record.request_class.empty()) append_json_text_or_null(",\"class\":", record.request_class, line_);
  append_json_number(",\"revision\":", record.revision, line_);
  append_json_text_or_null(",\"user_agent\":", record.user_agent, line_);
  append_json_text_or_null(",\"referer\":", record.referer, line_);
  line_.put("}\n");
}

// $remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"
// "$http_x_forwarded_for" "$host" $request_time
void LogFormat::append_frappe(const ExchangeRecord& record) {
  append_nginx_text(record.client, line_);
  line_.put(" - ");
  append_nginx_text(record.remote_user, line_);
  line_.put(" [");
  append_local(record.start_ms + record.timings.total / 1000);  // as nginx: when the line is made
  line_.put("] \"");
  if (!record.request_line.empty() || record.method.empty()) {
    append_nginx_text(record.request_line, line_);
  } else {
    append_nginx_text(record.method, line_);
    line_.put(' ');
    append_nginx_text(record.target, line_);
    line_.put(' ');
    append_nginx_text(record.protocol, line_);
  }
  line_.put("\" ");
  if (record.status <= 0) {
    line_.put("000");
  } else {
    line_.put_number(record.status);
  }
  line_.put(' ');
  line_.put_number(record.bytes_out);
  line_.put(" \"");
  append_nginx_text(record.referer, line_);
  line_.put("\" \"");
  append_nginx_text(record.user_agent, line_);
  line_.put("\" \"");
  append_nginx_text(record.x_forwarded_for, line_);
  line_.put("\" \"");
  append_nginx_text(record.host, line_);
  line_.put("\" ");
  append_thousandths(record.timings.total / 1000, line_);
  line_.put('\n');
}

void LogFormat::append_utc(std::int64_t unix_ms) {
  const std::time_t second = unix_ms / 1000;
  if (second != second_) {
    std::tm parts{};
    ::gmtime_r(&second, &parts);
    char date[32];
    date_.assign(date, std::strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &parts));
    second_ = second;
  }
  line_.put(date_);
  const auto ms = unix_ms % 1000;
  line_.put('.');
  line_.put_three_digits(ms);
  line_.put('Z');
}

void LogFormat::append_local(std::int64_t unix_ms) {
  const std::time_t second = unix_ms / 1000;
  if (second != second_) {
    std::tm parts{};
    ::localtime_r(&second, &parts);
    char date[64];
    // %b in the C locale, which the process never leaves.
    date_.assign(date, std::strftime(date, sizeof date, "%d/%b/%Y:%H:%M:%S %z", &parts));
    second_ = second;
  }
  line_.put(date_);
}

}  // namespace hybridge
