// The requests of one worker that ended lately, so that an operator can ask by its id what became of one.
//
// Owned by the worker; its thread only. Bounded: so many requests, and apart from them so many that failed, which
// otherwise would be gone before anybody asks. Keeping one is a copy of a few hundred bytes into memory that is there
// already; the longest texts are cut.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "proxy/exchange_record.h"

namespace hybridge {

// A copy of an ExchangeRecord without what is in its views only for the log (user agent, referer and their like).
class RecentRequest {
 public:
  void keep(const ExchangeRecord& record);
  bool is(std::string_view request_id) const { return text(0) == request_id; }
  bool is_failure() const { return facts_.status >= 500 || facts_.reason != Reason::kOk; }
  ExchangeRecord record() const;  // its views are valid as long as this is

 private:
  static constexpr std::size_t kTexts = 12;
  static constexpr std::size_t kBytes = 368;

  std::string_view text(std::size_t index) const;

  ExchangeRecord facts_;  // its views are of nobody
  std::array<std::uint16_t, kTexts + 1> begin_;
  std::array<char, kBytes> bytes_;
};

class RecentRequests {
 public:
  static constexpr std::size_t kRequests = 4096;
  static constexpr std::size_t kFailures = 1024;

  void keep(const ExchangeRecord& record);
  const RecentRequest* find(std::string_view request_id) const;  // nullptr: it is not (or no longer) here
  // Those that did not end as they should, the newest first, `most` of them: a site's own 404 is none.
  std::vector<RecentRequest> failures(std::size_t most) const;

 private:
  // Memory that was never written to is not there yet.
  template <std::size_t Size>
  struct Ring {
    std::unique_ptr<RecentRequest[]> slots = std::make_unique_for_overwrite<RecentRequest[]>(Size);
    std::uint64_t count = 0;  // ever

    RecentRequest& next() { return slots[count++ % Size]; }
    const RecentRequest& at(std::uint64_t number) const { return slots[number % Size]; }
    const RecentRequest* find(std::string_view request_id) const;
  };

  Ring<kRequests> served_;
  Ring<kFailures> failed_;
};

}  // namespace hybridge
