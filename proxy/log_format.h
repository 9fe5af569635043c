// One exchange as one line of the access log: our JSON, or the line of the incumbent's nginx.
//
// Owned by a worker's lane of the access log; one thread. Whatever a client sent, the line is one line: JSON is valid
// JSON in valid UTF-8, nginx's has its escapes (\xXX).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "proxy/config.h"
#include "proxy/exchange_record.h"
#include "proxy/log_line.h"

namespace hybridge {

class LogFormat {
 public:
  explicit LogFormat(Config::LogFormat format) : format_(format) {}

  // Newline included. Valid until the next one is asked for.
  std::string_view line(const ExchangeRecord& record);

 private:
  void append_json(const ExchangeRecord& record);
  void append_frappe(const ExchangeRecord& record);
  void append_utc(std::int64_t unix_ms);
  void append_local(std::int64_t unix_ms);

  Config::LogFormat format_;
  LogLine line_;
  // The last second's date, because thousands of lines share it.
  std::int64_t second_ = -1;
  std::string date_;
};

}  // namespace hybridge
