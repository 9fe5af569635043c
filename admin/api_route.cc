#include "admin/api_route.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "admin/problem.h"
#include "base/host_name.h"

namespace hybridge {

namespace {
int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::optional<std::string> decoded(std::string_view text, bool plus_is_space) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus_is_space) {
      out += ' ';
    } else if (text[i] != '%') {
      out += text[i];
    } else {
      if (i + 2 >= text.size()) return std::nullopt;
      const int high = hex_digit(text[i + 1]);
      const int low = hex_digit(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      out += static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  return out;
}

std::vector<std::string_view> segments_of(std::string_view path) {
  std::vector<std::string_view> segments;
  path.remove_prefix(1);
  for (;;) {
    const auto slash = path.find('/');
    segments.push_back(path.substr(0, slash));
    if (slash == std::string_view::npos) return segments;
    path.remove_prefix(slash + 1);
  }
}

bool fits(std::string_view pattern, const std::vector<std::string_view>& segments) {
  const auto wanted = segments_of(pattern);
  return std::equal(wanted.begin(), wanted.end(), segments.begin(), segments.end(),
                    [](auto want, auto is) { return want.starts_with('{') ? !is.empty() : want == is; });
}

std::string_view name_of(http::Method method) {
  switch (method) {
    case http::Method::kGet:
      return "GET, HEAD";
    case http::Method::kPut:
      return "PUT";
    case http::Method::kPost:
      return "POST";
    case http::Method::kPatch:
      return "PATCH";
    case http::Method::kDelete:
      return "DELETE";
    default:
      return "";
  }
}

// What stands before the separator, or all; `text` keeps what stands behind it.
std::string_view take_until(std::string_view& text, char separator) {
  const auto part = text.substr(0, text.find(separator));
  text.remove_prefix(std::min(part.size() + 1, text.size()));
  return part;
}
}  // namespace

ApiMatch match_route(const std::vector<ApiRoute>& routes, http::Method method, std::string_view path) {
  ApiMatch match;
  if (method == http::Method::kHead) method = http::Method::kGet;
  if (!path.starts_with('/')) {
    match.refusal = problem(404, "not_found", "there is nothing at " + in_quotes(path));
    return match;
  }
  const auto segments = segments_of(path);
  std::string allowed;
  for (const auto& route : routes) {
    if (!fits(route.pattern, segments)) continue;
    if (route.method != method) {
      allowed.append(allowed.empty() ? "" : ", ").append(name_of(route.method));
      continue;
    }
    const auto wanted = segments_of(route.pattern);
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      if (!wanted[i].starts_with('{')) continue;
      auto parameter = decoded(segments[i], false);
      if (!parameter) {
        match.refusal = problem(400, "bad_path", in_quotes(segments[i]) + " has a % without two hexadecimal digits");
        return match;
      }
      match.parameters.push_back(std::move(*parameter));
    }
    match.route = &route;
    return match;
  }
  if (allowed.empty()) {
    match.refusal = problem(404, "not_found", "there is nothing at " + in_quotes(path));
  } else {
    match.refusal = problem(405, "method_not_allowed", in_quotes(path) + " takes " + allowed);
    match.refusal.headers.emplace_back("Allow", allowed);
  }
  return match;
}

bool parse_query(std::string_view text, std::map<std::string, std::string, std::less<>>& query) {
  while (!text.empty()) {
    auto rest = take_until(text, '&');
    if (rest.empty()) continue;
    auto name = decoded(take_until(rest, '='), true);
    auto value = decoded(rest, true);
    if (!name || !value) return false;
    query.insert_or_assign(std::move(*name), std::move(*value));
  }
  return true;
}

bool is_set(const ApiRequest& request, std::string_view parameter) {
  const auto found = request.query.find(parameter);
  return found != request.query.end() && found->second != "false" && found->second != "0";
}

std::optional<std::int64_t> number_of(const ApiRequest& request, std::string_view parameter, std::int64_t least,
                                      std::int64_t most, std::int64_t otherwise) {
  const auto found = request.query.find(parameter);
  if (found == request.query.end()) return otherwise;
  std::int64_t number = 0;
  const auto* const last = found->second.data() + found->second.size();
  const auto [end, error] = std::from_chars(found->second.data(), last, number);
  if (error != std::errc{} || end != last || number < least || number > most) return std::nullopt;
  return number;
}

bool names_revision(std::string_view tags, std::uint64_t revision) {
  const auto number = std::to_string(revision);
  while (!tags.empty()) {
    const auto end = std::min(tags.find(','), tags.size());
    auto tag = tags.substr(0, end);
    tags.remove_prefix(std::min(end + 1, tags.size()));
    while (tag.starts_with(' ') || tag.starts_with('\t')) tag.remove_prefix(1);
    while (tag.ends_with(' ') || tag.ends_with('\t')) tag.remove_suffix(1);
    if (tag == "*" && revision > 0) return true;
    if (tag.size() >= 2 && tag.front() == '"' && tag.back() == '"') tag = tag.substr(1, tag.size() - 2);
    if (tag == number) return true;
  }
  return false;
}

std::string entity_tag(std::uint64_t revision) {
  return '"' + std::to_string(revision) + '"';
}

}  // namespace hybridge
