#include "admin/problem.h"

#include "proxy/http/error_page.h"
#include "proxy/http/message.h"
#include "routing/json_reader.h"

namespace hybridge {

namespace {
std::string begin_problem(int status, std::string_view code, std::string_view detail) {
  std::string body = "{\"type\":\"about:blank\",\"title\":";
  append_json_string(body, http::status_phrase(status));
  body += ",\"status\":" + std::to_string(status) + ",\"code\":";
  append_json_string(body, code);
  body += ",\"detail\":";
  append_json_string(body, detail);
  return body;
}

ApiAnswer finish_problem(int status, std::string body) {
  return {status, "application/problem+json", {}, std::move(body) + "}\n"};
}
}  // namespace

ApiAnswer problem(int status, std::string_view code, std::string_view detail) {
  return finish_problem(status, begin_problem(status, code, detail));
}

ApiAnswer problem(int status, std::string_view code, std::string_view detail, const Faults& faults) {
  auto body = begin_problem(status, code, detail);
  body += ",\"faults\":";
  append_faults(body, faults.kept());
  body += ",\"fault_count\":" + std::to_string(faults.count());
  return finish_problem(status, std::move(body));
}

ApiAnswer problem(const Error& error) {
  if (error.reason == Reason::kNotFound) return problem(404, "not_found", error.detail);
  return problem(500, code(error.reason), error.detail);
}

void append_faults(std::string& out, const std::vector<Fault>& faults) {
  out += '[';
  for (const auto& fault : faults) {
    if (&fault != faults.data()) out += ',';
    out += "{\"path\":";
    append_json_string(out, fault.path);
    out += ",\"message\":";
    append_json_string(out, fault.message);
    out += '}';
  }
  out += ']';
}

}  // namespace hybridge
