#include "admin/press_api/job_call.h"

#include "admin/problem.h"
#include "routing/json_reader.h"

namespace hybridge {

namespace json = boost::json;

namespace {
constexpr std::size_t kMostDepth = 8;
}

const json::value* JobCall::member(std::string_view key) {
  const auto* object = body_.if_object();
  const auto* value = object ? object->if_contains(key) : nullptr;
  return value && !value->is_null() ? value : nullptr;
}

const json::value* JobCall::required_member(std::string_view key) {
  const auto* value = member(key);
  if (!body_.is_object()) {
    faults.add("", "must be an object");
  } else if (!value) {
    faults.add(std::string(key), "is missing");
  }
  return value;
}

std::vector<std::string> JobCall::texts_of(std::string_view key, const json::value& value) {
  std::vector<std::string> texts;
  const auto* list = value.if_array();
  if (!list) faults.add(std::string(key), "must be a list of strings");
  for (std::size_t i = 0; list && i < list->size(); ++i) {
    if (const auto* text = (*list)[i].if_string()) {
      texts.emplace_back(*text);
    } else {
      faults.add(std::string(key) + "[" + std::to_string(i) + "]", "must be a string");
    }
  }
  return texts;
}

std::string JobCall::text(std::string_view key) {
  const auto* value = required_member(key);
  if (!value) return {};
  if (const auto* text = value->if_string()) return std::string(*text);
  faults.add(std::string(key), "must be a string");
  return {};
}

std::vector<std::string> JobCall::text_or_texts(std::string_view key) {
  const auto* value = required_member(key);
  if (!value) return {};
  if (const auto* text = value->if_string()) return {std::string(*text)};
  return texts_of(key, *value);
}

std::vector<std::string> JobCall::texts(std::string_view key) {
  const auto* value = required_member(key);
  return value ? texts_of(key, *value) : std::vector<std::string>{};
}

std::vector<std::string> JobCall::optional_texts(std::string_view key) {
  const auto* value = member(key);
  return value ? texts_of(key, *value) : std::vector<std::string>{};
}

bool JobCall::optional_bool(std::string_view key) {
  const auto* value = member(key);
  if (!value) return false;
  if (const auto* truth = value->if_bool()) return *truth;
  // The control plane's check boxes are numbers.
  if (const auto* number = value->if_int64(); number && (*number == 0 || *number == 1)) return *number == 1;
  faults.add(std::string(key), "must be true or false, 1 or 0");
  return false;
}

const json::array* JobCall::list(std::string_view key) {
  const auto* value = required_member(key);
  const auto* list = value ? value->if_array() : nullptr;
  if (value && !list) faults.add(std::string(key), "must be a list");
  return list;
}

const json::object* JobCall::object(std::string_view key) {
  const auto* value = required_member(key);
  const auto* object = value ? value->if_object() : nullptr;
  if (value && !object) faults.add(std::string(key), "must be an object");
  return object;
}

std::optional<ApiAnswer> read_call(const ApiRequest& request, std::size_t body_limit,
                                   const std::function<void(JobCall&)>& take) {
  Faults faults;
  json::monotonic_resource memory;
  const auto* body = read_json(request.body.empty() ? "{}" : std::string_view(request.body),
                               {.bytes = body_limit, .depth = kMostDepth}, memory, faults);
  if (!body) return problem(400, "bad_json", "the body " + faults.kept().front().message, faults);
  JobCall call(request.parameters, *body);
  take(call);
  if (call.faults.empty()) return std::nullopt;
  return problem(400, "bad_request", "the body is not what this call takes", call.faults);
}

}  // namespace hybridge
