// Reads typed values out of a YAML mapping and collects every fault on the way, each as `FILE:LINE:COLUMN: message`.
//
// For the start and for SIGHUP; one thread. Knows how values look, not which keys there are: that is proxy/config.cc.
#pragma once

#include <yaml-cpp/yaml.h>

#include <chrono>
#include <concepts>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hybridge {

// The faults of one file, in the order of their places.
class ConfigFaults {
 public:
  explicit ConfigFaults(std::string_view file) : file_(file) {}

  void add(const YAML::Mark& mark, std::string message);
  bool empty() const { return faults_.empty(); }
  std::string text() const;                         // one a line
  std::string place(const YAML::Mark& mark) const;  // `FILE:LINE:COLUMN`

 private:
  struct Fault {
    int line;
    int column;
    std::string text;
  };
  std::string file_;
  std::vector<Fault> faults_;
};

template <class T>
struct Range {
  T min;
  T max;
};

// One mapping of the file. Each call takes one key: absent keys leave the value as it is, bad ones add a fault.
class ConfigSection {
 public:
  // `limits.headers` → `FILE:LINE:COLUMN`; "": the file does not give it. Holds every key once it has been asked for.
  using Origins = std::map<std::string, std::string, std::less<>>;

  // `path` is how messages call it: "" for the root, "limits" for that section.
  ConfigSection(const YAML::Node& node, std::string path, ConfigFaults& faults, Origins& origins);

  void size(const char* key, std::uint64_t& bytes, Range<std::uint64_t> range);
  void duration(const char* key, std::chrono::milliseconds& value, Range<std::chrono::milliseconds> range);
  void count(const char* key, std::uint32_t& value, Range<std::uint32_t> range);
  void count_or_auto(const char* key, std::uint32_t& value, Range<std::uint32_t> range);  // auto: 0
  void size_or_auto(const char* key, std::uint64_t& bytes, Range<std::uint64_t> range);   // auto: 0
  void boolean(const char* key, bool& value);
  void text(const char* key, std::string& value);  // one line, without control characters

  template <class Enum>
  void choice(const char* key, Enum& value, std::initializer_list<std::pair<std::string_view, Enum>> words) {
    std::string word;
    const auto* entry = scalar(key, word, "a word");
    if (!entry) return;
    std::string known;
    for (const auto& [name, meaning] : words) {
      if (name == word) {
        value = meaning;
        return;
      }
      known += (known.empty() ? "" : ", ") + std::string(name);
    }
    fault(*entry, '"' + word + "\" is none of " + known);
  }

  // Calls `read(text)` for each item; it answers with what is wrong, or with "".
  template <class Read>
  requires std::invocable<Read, std::string_view>
  void list(const char* key, Read read) {
    const auto* entry = sequence(key);
    if (!entry) return;
    std::size_t at = 0;
    for (const auto& item : entry->value) {
      const auto name = std::string(key) + '[' + std::to_string(at++) + ']';
      if (!item.IsScalar()) {
        fault_at(item.Mark(), name, "expects a text");
      } else if (auto wrong = read(std::string_view(item.Scalar())); !wrong.empty()) {
        fault_at(item.Mark(), name, wrong);
      }
    }
  }

  // Calls `read(name, text)` for each entry of the mapping under the key, whose names are not known here; it answers
  // with what is wrong, or with "".
  template <class Read>
  void named(const char* key, Read read) {
    const auto node = mapping(key);
    if (!node) return;
    Origins of_items;
    ConfigSection inner(*node, path_of(key), faults_, of_items);
    for (const auto& entry : inner.entries_) {
      if (!entry.value.IsScalar()) {
        inner.fault(entry, "expects a text");
      } else if (auto wrong = read(entry.key, std::string_view(entry.value.Scalar())); !wrong.empty()) {
        inner.fault(entry, wrong);
      }
    }
  }

  // Calls `read(section)` with the mapping under the key (an empty one when it is absent), then refuses the keys it
  // did not take.
  template <class Read>
  void section(const char* key, Read read) {
    const auto node = mapping(key);
    if (!node) return;
    ConfigSection inner(*node, path_of(key), faults_, origins_);
    read(inner);
    inner.refuse_others();
  }

  // Calls `read(section)` for each mapping of a list; each refuses the keys that were not taken.
  template <class Read>
  void sections(const char* key, Read read) {
    const auto* entry = sequence(key);
    if (!entry) return;
    std::size_t at = 0;
    Origins of_items;  // which of its keys an item gives is nobody's question
    for (const auto& item : entry->value) {
      const auto name = std::string(key) + '[' + std::to_string(at++) + ']';
      if (!item.IsMap()) {
        fault_at(item.Mark(), name, "expects keys and values: {name: asset, path: \"^/assets/\"}");
        continue;
      }
      ConfigSection inner(item, path_of(name), faults_, of_items);
      read(inner);
      inner.refuse_others();
    }
  }

  bool has(std::string_view key) const;
  // A fault of this key that only the caller can see; at its value when the file has it, else at the section.
  void refuse(const char* key, const std::string& message);
  void refuse_others();

 private:
  struct Entry {
    std::string key;
    YAML::Node name;
    YAML::Node value;
    bool known = false;
  };

  std::string path_of(std::string_view key) const;
  Entry* take(const char* key);  // nullptr: absent
  const Entry* scalar(const char* key, std::string& text, const char* expected);
  const Entry* sequence(const char* key);
  std::optional<YAML::Node> mapping(const char* key);
  void fault(const Entry& entry, const std::string& message);
  void fault_at(const YAML::Mark& mark, std::string_view key, const std::string& message);
  static YAML::Mark mark_of(const Entry& entry);

  std::string path_;
  YAML::Mark mark_;
  std::vector<Entry> entries_;
  std::vector<std::string> asked_;
  ConfigFaults& faults_;
  Origins& origins_;
};

}  // namespace hybridge
