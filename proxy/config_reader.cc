#include "proxy/config_reader.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <numeric>
#include <optional>
#include <tuple>

namespace hybridge {
namespace {

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

constexpr Unit kSizes[] = {{"", 1},           {"k", 1ULL << 10}, {"K", 1ULL << 10}, {"M", 1ULL << 20},
                           {"m", 1ULL << 20}, {"G", 1ULL << 30}, {"g", 1ULL << 30}};
constexpr Unit kDurations[] = {{"ms", 1}, {"s", 1'000}, {"m", 60'000}, {"h", 3'600'000}};
constexpr Unit kCounts[] = {{"", 1}};

// A whole number and one of the units, nothing else.
template <std::size_t N>
std::optional<std::uint64_t> parse_quantity(std::string_view text, const Unit (&units)[N]) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{}) return std::nullopt;
  const auto name = text.substr(static_cast<std::size_t>(end - text.data()));
  for (const auto& unit : units) {
    if (unit.name != name) continue;
    if (number > std::numeric_limits<std::int64_t>::max() / unit.factor) return std::nullopt;
    return number * unit.factor;
  }
  return std::nullopt;
}

// In the largest unit that shows it without a remainder.
template <std::size_t N>
std::string print_quantity(std::uint64_t value, const Unit (&units)[N]) {
  const Unit* best = &units[0];
  for (const auto& unit : units) {
    if (value != 0 && value % unit.factor == 0 && unit.factor > best->factor) best = &unit;
  }
  return std::to_string(value / best->factor) + std::string(best->name);
}

template <std::size_t N>
std::string out_of_range(std::uint64_t min, std::uint64_t max, const Unit (&units)[N]) {
  return " is out of range (" + print_quantity(min, units) + " to " + print_quantity(max, units) + ")";
}

// Levenshtein's distance.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = std::exchange(row[j], std::min({row[j] + 1, row[j - 1] + 1, replaced}));
    }
  }
  return row[b.size()];
}

bool is_printable(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

}  // namespace

void ConfigFaults::add(const YAML::Mark& mark, std::string message) {
  faults_.push_back({mark.line, mark.column, place(mark) + ": " + std::move(message)});
}

std::string ConfigFaults::text() const {
  auto sorted = faults_;
  std::stable_sort(sorted.begin(), sorted.end(), [](const Fault& a, const Fault& b) {
    return std::tie(a.line, a.column) < std::tie(b.line, b.column);
  });
  std::string text;
  for (const auto& fault : sorted) text += (text.empty() ? "" : "\n") + fault.text;
  return text;
}

std::string ConfigFaults::place(const YAML::Mark& mark) const {
  // yaml-cpp counts from 0, editors from 1; a document without a place (an empty file) is its first character.
  return file_ + ':' + std::to_string(std::max(mark.line, 0) + 1) + ':' + std::to_string(std::max(mark.column, 0) + 1);
}

ConfigSection::ConfigSection(const YAML::Node& node, std::string path, ConfigFaults& faults, Origins& origins)
    : path_(std::move(path)), mark_(node.Mark()), faults_(faults), origins_(origins) {
  if (!node.IsMap()) return;  // the caller has refused anything but a mapping and nothing at all
  for (const auto& pair : node) {
    if (!pair.first.IsScalar()) {
      faults_.add(pair.first.Mark(), path_.empty() ? "expects key: value" : path_ + ": expects key: value");
      continue;
    }
    Entry entry{pair.first.Scalar(), pair.first, pair.second};
    const auto earlier =
        std::find_if(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.key == entry.key; });
    if (earlier != entries_.end()) {
      fault_at(pair.first.Mark(), entry.key, "is given twice; the first is at " + faults_.place(earlier->name.Mark()));
      continue;
    }
    entries_.push_back(std::move(entry));
  }
}

void ConfigSection::size(const char* key, std::uint64_t& bytes, Range<std::uint64_t> range) {
  std::string text;
  const auto* entry = scalar(key, text, "a size, such as 512, 32k, 250M or 1G");
  if (!entry) return;
  const auto value = parse_quantity(text, kSizes);
  if (!value) return fault(*entry, '"' + text + "\" is not a size (such as 512, 32k, 250M or 1G)");
  if (*value < range.min || *value > range.max) return fault(*entry, text + out_of_range(range.min, range.max, kSizes));
  bytes = *value;
}

void ConfigSection::duration(const char* key, std::chrono::milliseconds& value,
                             Range<std::chrono::milliseconds> range) {
  std::string text;
  const auto* entry = scalar(key, text, "a duration, such as 500ms, 10s, 5m or 1h");
  if (!entry) return;
  const auto milliseconds = parse_quantity(text, kDurations);
  if (!milliseconds) {
    return fault(*entry, '"' + text + "\" is not a duration with its unit (such as 500ms, 10s, 5m or 1h)");
  }
  const auto min = static_cast<std::uint64_t>(range.min.count());
  const auto max = static_cast<std::uint64_t>(range.max.count());
  if (*milliseconds < min || *milliseconds > max) return fault(*entry, text + out_of_range(min, max, kDurations));
  value = std::chrono::milliseconds{static_cast<std::int64_t>(*milliseconds)};
}

void ConfigSection::count(const char* key, std::uint32_t& value, Range<std::uint32_t> range) {
  std::string text;
  const auto* entry = scalar(key, text, "a whole number");
  if (!entry) return;
  const auto number = parse_quantity(text, kCounts);
  if (!number) return fault(*entry, '"' + text + "\" is not a whole number");
  if (*number < range.min || *number > range.max) {
    return fault(*entry, text + out_of_range(range.min, range.max, kCounts));
  }
  value = static_cast<std::uint32_t>(*number);
}

void ConfigSection::count_or_auto(const char* key, std::uint32_t& value, Range<std::uint32_t> range) {
  std::string text;
  const auto* entry = scalar(key, text, "a whole number or auto");
  if (!entry) return;
  if (text == "auto") {
    value = 0;
    return;
  }
  const auto number = parse_quantity(text, kCounts);
  if (!number) return fault(*entry, '"' + text + "\" is neither a whole number nor auto");
  if (*number < range.min || *number > range.max) {
    return fault(*entry, text + out_of_range(range.min, range.max, kCounts) + ", or auto");
  }
  value = static_cast<std::uint32_t>(*number);
}

void ConfigSection::size_or_auto(const char* key, std::uint64_t& bytes, Range<std::uint64_t> range) {
  std::string text;
  const auto* entry = scalar(key, text, "a size, such as 512M or 4G, or auto");
  if (!entry) return;
  if (text == "auto") {
    bytes = 0;
    return;
  }
  const auto value = parse_quantity(text, kSizes);
  if (!value) return fault(*entry, '"' + text + "\" is neither a size (such as 512M or 4G) nor auto");
  if (*value < range.min || *value > range.max) {
    return fault(*entry, text + out_of_range(range.min, range.max, kSizes) + ", or auto");
  }
  bytes = *value;
}

void ConfigSection::boolean(const char* key, bool& value) {
  std::string text;
  const auto* entry = scalar(key, text, "true or false");
  if (!entry) return;
  if (text != "true" && text != "false") return fault(*entry, '"' + text + "\" is neither true nor false");
  value = text == "true";
}

void ConfigSection::text(const char* key, std::string& value) {
  std::string text;
  const auto* entry = scalar(key, text, "a text");
  if (!entry) return;
  if (!is_printable(text)) return fault(*entry, "has a control character");
  value = std::move(text);
}

bool ConfigSection::has(std::string_view key) const {
  return std::any_of(entries_.begin(), entries_.end(), [&](const Entry& entry) { return entry.key == key; });
}

void ConfigSection::refuse(const char* key, const std::string& message) {
  for (const auto& entry : entries_) {
    if (entry.key == key) return fault(entry, message);
  }
  fault_at(mark_, key, message);
}

void ConfigSection::refuse_others() {
  for (const auto& entry : entries_) {
    if (entry.known) continue;
    std::string message = "is not a key";
    const auto nearest = std::min_element(asked_.begin(), asked_.end(), [&](const auto& a, const auto& b) {
      return distance(entry.key, a) < distance(entry.key, b);
    });
    if (nearest != asked_.end() && distance(entry.key, *nearest) <= std::max<std::size_t>(2, nearest->size() / 3)) {
      message += "; did you mean " + *nearest + '?';
    }
    fault_at(entry.name.Mark(), entry.key, message);
  }
}

std::string ConfigSection::path_of(std::string_view key) const {
  return path_.empty() ? std::string(key) : path_ + '.' + std::string(key);
}

ConfigSection::Entry* ConfigSection::take(const char* key) {
  asked_.emplace_back(key);
  origins_.try_emplace(path_of(key));
  for (auto& entry : entries_) {
    if (entry.key != key) continue;
    entry.known = true;
    origins_[path_of(key)] = faults_.place(mark_of(entry));
    return &entry;
  }
  return nullptr;
}

const ConfigSection::Entry* ConfigSection::scalar(const char* key, std::string& text, const char* expected) {
  const auto* entry = take(key);
  if (!entry) return nullptr;
  if (!entry->value.IsScalar()) {
    fault(*entry, std::string("expects ") + expected);
    return nullptr;
  }
  text = entry->value.Scalar();
  return entry;
}

const ConfigSection::Entry* ConfigSection::sequence(const char* key) {
  const auto* entry = take(key);
  if (!entry) return nullptr;
  if (!entry->value.IsSequence()) {
    fault(*entry, "expects a list: [first, second]");
    return nullptr;
  }
  return entry;
}

std::optional<YAML::Node> ConfigSection::mapping(const char* key) {
  const auto* entry = take(key);
  // `limits:` with every key below it commented out is an empty mapping to whoever wrote it.
  if (!entry || entry->value.IsNull()) return YAML::Node{};
  if (entry->value.IsMap()) return entry->value;
  fault(*entry, "expects keys below it");
  return std::nullopt;
}

void ConfigSection::fault(const Entry& entry, const std::string& message) {
  fault_at(mark_of(entry), entry.key, message);
}

void ConfigSection::fault_at(const YAML::Mark& mark, std::string_view key, const std::string& message) {
  faults_.add(mark, path_of(key) + ": " + message);
}

YAML::Mark ConfigSection::mark_of(const Entry& entry) {
  const auto mark = entry.value.Mark();
  return mark.line < 0 || entry.value.IsNull() ? entry.name.Mark() : mark;
}

}  // namespace hybridge
