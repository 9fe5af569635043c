#include "admin/salvaged_table.h"

#include <algorithm>
#include <cstdint>
#include <deque>
#include <limits>
#include <optional>
#include <utility>

#include "base/host_name.h"

namespace hybridge {

namespace {
constexpr std::size_t kMostProbes = 4096;

// Keys of either kind: what the table's order begins and ends with, what comes next, and what is in between.
template <class Key>
struct Keys;

template <>
struct Keys<std::int64_t> {
  static std::int64_t lowest() { return std::numeric_limits<std::int64_t>::min(); }
  static std::int64_t highest() { return std::numeric_limits<std::int64_t>::max(); }
  static std::int64_t of(const Statement& row) { return row.number(0); }
  static std::int64_t after(std::int64_t key) { return key + 1; }

  // Numbers tell where the gap is by themselves.
  static Result<std::string> neighbour(Database&, const SalvagedTable&, bool is_before, std::int64_t key) {
    if (is_before) return key == lowest() ? std::string("the first") : std::to_string(key - 1);
    return key == highest() ? std::string("the last") : std::to_string(key);
  }

  static std::optional<std::int64_t> between(std::int64_t low, std::int64_t high) {
    const auto distance = static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low);
    if (distance < 2) return std::nullopt;
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(low) + distance / 2);
  }
};

template <>
struct Keys<std::string> {
  static constexpr std::size_t kDigits = 7;

  static std::string lowest() { return {}; }
  static std::string highest() { return std::string(kDigits, '\xff'); }  // no name begins so
  static std::string of(const Statement& row) { return std::string(row.text(0)); }
  static std::string after(std::string key) { return key += '\0'; }

  // The record of the fresh table that comes before, or from there on.
  static Result<std::string> neighbour(Database& fresh, const SalvagedTable& table, bool is_before,
                                       const std::string& key) {
    auto rows = fresh.prepare(std::string(is_before ? "SELECT max(" : "SELECT min(") + table.key + ") FROM " +
                              table.name + " WHERE " + table.key + (is_before ? " < ?" : " >= ?"));
    if (!rows) return rows.error();
    const auto row = rows->bind(1, key).step();
    if (!row) return row.error();
    if (rows->is_null(0)) return std::string(is_before ? "the first" : "the last");
    return in_quotes(rows->text(0));
  }

  // Texts as fractions to the base of 256: the mean of the first bytes in which they differ.
  static std::optional<std::string> between(const std::string& low, const std::string& high) {
    const auto same =
        static_cast<std::size_t>(std::mismatch(low.begin(), low.end(), high.begin(), high.end()).first - low.begin());
    const auto digits = [same](const std::string& text) {
      std::uint64_t value = 0;
      for (std::size_t i = same; i < same + kDigits; ++i) {
        value = value << 8 | (i < text.size() ? static_cast<std::uint8_t>(text[i]) : 0U);
      }
      return value;
    };
    const auto mean = (digits(low) + digits(high)) / 2;
    auto middle = low.substr(0, same);
    for (std::size_t i = 0; i < kDigits; ++i) middle += static_cast<char>(mean >> (8 * (kDigits - 1 - i)) & 0xff);
    if (middle <= low || middle >= high) return std::nullopt;
    return middle;
  }
};

template <class Key>
class Salvage {
 public:
  Salvage(const SalvagedTable& table, Database& damaged, Database& fresh)
      : table_(table), damaged_(damaged), fresh_(fresh) {}

  Result<void> run(std::vector<std::string>& missing) {
    spans_.push_back({Keys<Key>::lowest(), Keys<Key>::highest()});
    if (auto prepared = prepare(); !prepared) return prepared;
    if (is_known_) {
      if (auto read = read_spans(); !read) return read;
    }
    merge();
    return tell(missing);
  }

 private:
  struct Span {
    Key low;   // from here,
    Key high;  // to before here
  };
  enum class Direction { kUp, kDown };

  Result<void> prepare() {
    const std::string key = table_.key;
    const auto select =
        "SELECT " + key + ", * FROM " + table_.name + " WHERE " + key + " >= ? AND " + key + " < ? ORDER BY " + key;
    auto up = damaged_.prepare(select);
    auto down = damaged_.prepare(select + " DESC");
    is_known_ = up && down;  // else the list of tables is damaged
    if (!is_known_) return {};
    up_ = std::move(*up);
    down_ = std::move(*down);
    std::string values = "?";
    for (int i = 1; i < table_.columns; ++i) values += ", ?";
    auto put = fresh_.prepare(std::string("INSERT OR IGNORE INTO ") + table_.name + " VALUES (" + values + ")");
    if (!put) return put.error();
    put_ = std::move(*put);
    return {};
  }

  // From both ends of each span to the damage; what is left is halved, for there may be good pages between bad ones.
  Result<void> read_spans() {
    std::vector<Span> left;
    for (std::size_t probes = 0; !spans_.empty(); ++probes) {
      auto span = std::move(spans_.front());
      spans_.pop_front();
      bool is_read = false;
      for (const auto direction : {Direction::kUp, Direction::kDown}) {
        if (is_read) break;
        const auto read = copy_rows(span, direction);
        if (!read) return read.error();
        is_read = *read;
      }
      if (is_read) continue;
      if (auto middle = probes < kMostProbes ? Keys<Key>::between(span.low, span.high) : std::nullopt) {
        spans_.push_back({span.low, *middle});
        spans_.push_back({*middle, span.high});
      } else {
        left.push_back(std::move(span));
      }
    }
    spans_.assign(left.begin(), left.end());
    return {};
  }

  // true: to the span's other end. Else the span begins, or ends, at the damage.
  Result<bool> copy_rows(Span& span, Direction direction) {
    auto& rows = direction == Direction::kUp ? up_ : down_;
    // Bound text must stay what it is.
    const auto whole = span;
    rows.bind(1, whole.low).bind(2, whole.high);
    for (;;) {
      const auto row = rows.step();
      if (!row) return false;
      if (!*row) break;
      auto key = Keys<Key>::of(rows);
      if (key < span.low || !(key < span.high)) {  // not in its place
        rows.reset();
        return false;
      }
      for (int column = 0; column < table_.columns; ++column) put_.bind_column(column + 1, rows, column + 1);
      if (auto written = put_.run(); !written) return written.error();
      (direction == Direction::kUp ? span.low : span.high) =
          direction == Direction::kUp ? Keys<Key>::after(std::move(key)) : std::move(key);
    }
    rows.reset();
    return true;
  }

  void merge() {
    std::sort(spans_.begin(), spans_.end(), [](const Span& a, const Span& b) { return a.low < b.low; });
    std::deque<Span> merged;
    for (auto& span : spans_) {
      if (!merged.empty() && merged.back().high == span.low) {
        merged.back().high = std::move(span.high);
      } else {
        merged.push_back(std::move(span));
      }
    }
    spans_.swap(merged);
  }

  // Between the records that there are.
  Result<void> tell(std::vector<std::string>& missing) {
    for (const auto& span : spans_) {
      const auto first = Keys<Key>::neighbour(fresh_, table_, true, span.low);
      if (!first) return first.error();
      const auto last = Keys<Key>::neighbour(fresh_, table_, false, span.high);
      if (!last) return last.error();
      missing.push_back(std::string(table_.name) + ": what was between " + *first + " and " + *last +
                        " could not be read");
    }
    return {};
  }

  const SalvagedTable& table_;
  Database& damaged_;
  Database& fresh_;
  bool is_known_ = false;
  Statement up_;
  Statement down_;
  Statement put_;
  std::deque<Span> spans_;
};
}  // namespace

Result<void> SalvagedTable::copy(Database& damaged, Database& fresh, std::vector<std::string>& missing) const {
  if (is_number) return Salvage<std::int64_t>(*this, damaged, fresh).run(missing);
  return Salvage<std::string>(*this, damaged, fresh).run(missing);
}

}  // namespace hybridge
