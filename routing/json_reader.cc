#include "routing/json_reader.h"

#include <algorithm>
#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value_stack.hpp>
#include <unordered_set>

#include "base/host_name.h"
#include "base/shard_map.h"

namespace hybridge {

namespace json = boost::json;

namespace {
struct NameHash {
  std::size_t operator()(const std::string& name) const { return hash_name(name); }
};

// Builds the tree, and knows where it is, so that a repeated key can be told with its path. (The library's own parser
// lets the last of two keys win, which hides half of what somebody meant.)
class TreeHandler {
 public:
  static constexpr std::size_t max_object_size = json::object::max_size();
  static constexpr std::size_t max_array_size = json::array::max_size();
  static constexpr std::size_t max_key_size = json::string::max_size();
  static constexpr std::size_t max_string_size = json::string::max_size();

  explicit TreeHandler(Faults& found) : faults(found) {}

  bool on_document_begin(json::error_code&) { return true; }
  bool on_document_end(json::error_code&) { return true; }
  bool on_object_begin(json::error_code&) { return open(true); }
  bool on_object_end(std::size_t size, json::error_code&) {
    stack.push_object(size);
    return close();
  }
  bool on_array_begin(json::error_code&) { return open(false); }
  bool on_array_end(std::size_t size, json::error_code&) {
    stack.push_array(size);
    return close();
  }
  bool on_key_part(std::string_view part, std::size_t, json::error_code&) {
    key.append(part);
    stack.push_chars(part);
    return true;
  }
  bool on_key(std::string_view part, std::size_t, json::error_code&) {
    key.append(part);
    stack.push_key(part);
    auto& level = levels.back();
    if (!level.keys.insert(key).second) faults.add(json_path(path(), key), "is there twice");
    level.key = std::move(key);
    key.clear();
    return true;
  }
  bool on_string_part(std::string_view part, std::size_t, json::error_code&) {
    stack.push_chars(part);
    return true;
  }
  bool on_string(std::string_view part, std::size_t, json::error_code&) {
    stack.push_string(part);
    return next();
  }
  bool on_number_part(std::string_view, json::error_code&) { return true; }
  bool on_int64(std::int64_t number, std::string_view, json::error_code&) {
    stack.push_int64(number);
    return next();
  }
  bool on_uint64(std::uint64_t number, std::string_view, json::error_code&) {
    stack.push_uint64(number);
    return next();
  }
  bool on_double(double number, std::string_view, json::error_code&) {
    stack.push_double(number);
    return next();
  }
  bool on_bool(bool truth, json::error_code&) {
    stack.push_bool(truth);
    return next();
  }
  bool on_null(json::error_code&) {
    stack.push_null();
    return next();
  }
  bool on_comment_part(std::string_view, json::error_code&) { return true; }
  bool on_comment(std::string_view, json::error_code&) { return true; }

  // Of the level that is open now, without what is inside.
  std::string path() const {
    std::string path;
    for (std::size_t i = 0; i + 1 < levels.size(); ++i) {
      const auto& level = levels[i];
      path = level.is_object ? json_path(path, level.key) : path + "[" + std::to_string(level.index) + "]";
    }
    return path;
  }

  json::value_stack stack;
  Faults& faults;

 private:
  struct Level {
    bool is_object = false;
    std::string key;        // of the member under way
    std::size_t index = 0;  // of the element under way
    std::unordered_set<std::string, NameHash> keys;
  };

  bool open(bool is_object) {
    levels.push_back({is_object, {}, 0, {}});
    return true;
  }
  bool close() {
    levels.pop_back();
    return next();
  }
  bool next() {
    if (!levels.empty()) ++levels.back().index;
    return true;
  }

  std::vector<Level> levels;
  std::string key;
};

std::string place_of(std::string_view text, std::size_t offset) {
  const auto before = text.substr(0, offset);
  const auto lines = std::count(before.begin(), before.end(), '\n');
  const auto line_begin = before.rfind('\n') == std::string_view::npos ? 0 : before.rfind('\n') + 1;
  return "line " + std::to_string(lines + 1) + ", column " + std::to_string(offset - line_begin + 1);
}
}  // namespace

const json::value* read_json(std::string_view text, const JsonLimits& limits, json::monotonic_resource& memory,
                             Faults& faults) {
  if (text.size() > limits.bytes) {
    faults.add("", "has " + std::to_string(text.size()) + " bytes, the most is " + std::to_string(limits.bytes));
    return nullptr;
  }
  json::parse_options options;
  options.max_depth = limits.depth;
  json::basic_parser<TreeHandler> parser(options, faults);
  parser.handler().stack.reset(&memory);
  const auto faults_before = faults.count();
  json::error_code error;
  const auto consumed = parser.write_some(false, text.data(), text.size(), error);
  if (!error && consumed < text.size()) error = json::make_error_code(json::error::extra_data);
  if (error == json::error::too_deep) {
    faults.add("", "is nested deeper than " + std::to_string(limits.depth) + " levels at " + place_of(text, consumed));
    return nullptr;
  }
  if (error) {
    faults.add("", "is not JSON: " + error.message() + " at " + place_of(text, consumed));
    return nullptr;
  }
  if (faults.count() != faults_before) return nullptr;
  return new (memory.allocate(sizeof(json::value), alignof(json::value))) json::value(parser.handler().stack.release());
}

std::string json_path(std::string_view prefix, std::string_view key) {
  const bool plain = !key.empty() && std::all_of(key.begin(), key.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
  std::string path(prefix);
  if (!plain) return path + "[" + in_quotes(key) + "]";
  if (!path.empty()) path += '.';
  return path.append(key);
}

void append_json_string(std::string& out, std::string_view text) {
  out += json::serialize(json::string_view(text));
}

void append_sorted_json(std::string& out, const json::value& value) {
  if (const auto* array = value.if_array()) {
    out += '[';
    for (const auto& element : *array) {
      if (&element != array->begin()) out += ',';
      append_sorted_json(out, element);
    }
    out += ']';
    return;
  }
  const auto* object = value.if_object();
  if (!object) {
    out += json::serialize(value);
    return;
  }
  std::vector<const json::key_value_pair*> members;
  for (const auto& member : *object) members.push_back(&member);
  std::sort(members.begin(), members.end(), [](const auto* a, const auto* b) { return a->key() < b->key(); });
  out += '{';
  for (const auto* member : members) {
    if (member != members.front()) out += ',';
    append_json_string(out, member->key());
    out += ':';
    append_sorted_json(out, member->value());
  }
  out += '}';
}

}  // namespace hybridge
