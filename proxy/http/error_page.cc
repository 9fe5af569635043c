#include "proxy/http/error_page.h"

#include <filesystem>
#include <fstream>
#include <iterator>

#include "proxy/http/characters.h"
#include "proxy/http/embedded_pages.h"
#include "proxy/http/escape.h"

namespace hybridge::http {

namespace {

constexpr std::string_view kHtml = "text/html; charset=utf-8";
constexpr std::string_view kProblem = "application/problem+json";
constexpr std::string_view kRequestId = "{{request_id}}";
constexpr std::uintmax_t kMostPageBytes = 1024 * 1024;

// Which page tells of this end; "": none of the named ones.
std::string_view page_of(int status, Reason reason) {
  switch (reason) {
    case Reason::kSuspended:
      return "suspended";
    case Reason::kSuspendedSaas:
      return "suspended_saas";
    case Reason::kDeactivated:
      return "deactivated";
    case Reason::kHoldDeadline:
    case Reason::kHoldFull:
    case Reason::kHoldPaged:
    case Reason::kHoldRefused:
      return "maintenance";
    default:
      break;
  }
  switch (status) {
    case 404:
      return "not_found";
    case 429:
      return "exceeded";
    case 502:
      return "bad_gateway";
    case 504:
      return "gateway_timeout";
    default:
      return {};
  }
}

// What the small page and a problem without details of its own say: a site's status, else by the HTTP status.
std::string_view sentence_of(Reason reason, int status) {
  if (reason == Reason::kSuspended || reason == Reason::kSuspendedSaas) return "This site is suspended.";
  if (reason == Reason::kDeactivated) return "This site is deactivated.";
  if (status < 300) return "All is well.";
  if (status < 400) return "What you asked for is at another address; your browser is on its way there.";
  switch (status) {
    case 401:
      return "You need to say who you are to see this.";
    case 403:
      return "This is not for you to see.";
    case 405:
      return "This is not something that can be done here.";
    case 408:
      return "The request did not arrive in time.";
    case 413:
      return "What you sent is larger than this site takes.";
    case 429:
      return "There were too many requests. Please try again in a moment.";
    case 414:
    case 431:
      return "The request's address or header fields are larger than this site takes.";
    case 503:
      return "There is more to do at the moment than can be done. Please try again in a minute.";
    default:
      return status < 500 ? "The request could not be understood." : "Something went wrong here. It has been recorded.";
  }
}

bool is_clients_fault(int status) {
  return status >= 400 && status < 500;
}

std::string fill(std::string_view page, std::string_view request_id) {
  std::string out;
  out.reserve(page.size() + request_id.size());
  for (;;) {
    const auto at = page.find(kRequestId);
    out += page.substr(0, at);
    if (at == std::string_view::npos) return out;
    append_html_escaped(out, request_id);
    page.remove_prefix(at + kRequestId.size());
  }
}

std::string small_page(int status, const Error& error, std::string_view request_id) {
  const auto phrase = status_phrase(status);
  std::string out =
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"robots\" "
      "content=\"noindex\">\n<title>";
  append_html_escaped(out, phrase);
  out +=
      "</title>\n<style>:root{color-scheme:light dark}body{max-width:34rem;margin:15vh auto 0;padding:0 1rem;"
      "font:1rem/1.6 system-ui,sans-serif;overflow-wrap:anywhere}h1{font-size:1.4rem}footer{font-size:.85rem;"
      "opacity:.8}</style>\n</head>\n<body>\n<main>\n<h1>";
  append_html_escaped(out, phrase);
  out += "</h1>\n<p>";
  out += sentence_of(error.reason, status);
  out += "</p>\n";
  if (is_clients_fault(status) && !error.detail.empty()) {
    out += "<p>";
    append_html_escaped(out, error.detail);
    out += "</p>\n";
  }
  out += "<footer>";
  out += std::to_string(status);
  out += " <code>";
  out += code(error.reason);
  out += "</code> · Request <code>";
  append_html_escaped(out, request_id);
  out += "</code></footer>\n</main>\n</body>\n</html>\n";
  return out;
}

std::string problem(int status, const Error& error, std::string_view request_id) {
  std::string out = R"({"type":"about:blank","title":")";
  append_json_escaped(out, status_phrase(status));
  out += R"(","status":)";
  out += std::to_string(status);
  out += R"(,"code":")";
  out += code(error.reason);
  out += R"(","detail":")";
  append_json_escaped(out, error.detail.empty() ? sentence_of(error.reason, status) : std::string_view(error.detail));
  out += R"(","request_id":")";
  append_json_escaped(out, request_id);
  out += "\"}\n";
  return out;
}

// Is the quality 0, so that the member says what is not wanted? RFC 9110 12.4.2.
bool is_refused(std::string_view parameters) {
  while (!parameters.empty()) {
    const auto semicolon = parameters.find(';');
    const auto parameter = trim(parameters.substr(0, semicolon));
    if (parameter.size() > 2 && (parameter[0] | 0x20) == 'q' && parameter[1] == '=') {
      return parameter.substr(2).find_first_not_of("0.") == std::string_view::npos;
    }
    if (semicolon == std::string_view::npos) return false;
    parameters.remove_prefix(semicolon + 1);
  }
  return false;
}

bool names_html(std::string_view accept) {
  bool names = false;
  for_each_member(accept, [&](std::string_view range) {
    const auto semicolon = range.find(';');
    if (!equal_ignoring_case(trim(range.substr(0, semicolon)), "text/html")) return;
    names = names || semicolon == std::string_view::npos || !is_refused(range.substr(semicolon + 1));
  });
  return names;
}

}  // namespace

int status_of(Reason reason) {
  switch (reason) {
    case Reason::kOk:
    case Reason::kOwnPage:
    case Reason::kOwnApi:
    case Reason::kHoldPong:
      return 200;
    case Reason::kAcmeRedirect:
      return 301;
    case Reason::kUnknownHost:
      return 307;
    case Reason::kRedirectToHttps:
    case Reason::kHostRedirect:
    case Reason::kRuleRedirect:
      return 308;
    case Reason::kBadRequestLine:
    case Reason::kBadHeader:
    case Reason::kBadHost:
    case Reason::kBadFraming:
    case Reason::kBadChunk:
    case Reason::kBadTarget:
    case Reason::kInvalid:
      return 400;
    case Reason::kUnauthorized:
      return 401;
    case Reason::kSuspended:
    case Reason::kSuspendedSaas:
      return 402;
    case Reason::kRuleDenied:
    case Reason::kForwardDenied:
      return 403;
    case Reason::kNotFound:
    case Reason::kUnknownServer:
      return 404;
    case Reason::kMethodNotAllowed:
      return 405;
    case Reason::kHeadTimeout:
    case Reason::kBodyTimeout:
      return 408;
    case Reason::kConflict:
      return 409;
    case Reason::kBodyTooLarge:
      return 413;
    case Reason::kTargetTooLong:
      return 414;
    case Reason::kExpectationFailed:
      return 417;
    case Reason::kMisdirected:
      return 421;
    case Reason::kRuleLimited:
    case Reason::kRateLimited:
    case Reason::kTooManyRequestsFromAddress:
      return 429;
    case Reason::kHeaderTooLarge:
    case Reason::kTooManyHeaders:
      return 431;
    case Reason::kInternal:
    case Reason::kIo:
    case Reason::kRecalled:
      return 500;
    case Reason::kUpstreamUnresolved:
    case Reason::kUpstreamConnectFailed:
    case Reason::kUpstreamTls:
    case Reason::kUpstreamDown:
    case Reason::kUpstreamClosed:
    case Reason::kUpstreamMalformed:
    case Reason::kUpstreamHeadTooLarge:
    case Reason::kUpstreamTruncated:
    case Reason::kUpstreamStatus:
      return 502;
    case Reason::kDeactivated:
    case Reason::kTooManyConnections:
    case Reason::kTooManyConnectionsFromAddress:
    case Reason::kShortOfMemory:
    case Reason::kShortOfDescriptors:
    case Reason::kServerBusy:
    case Reason::kHoldDeadline:
    case Reason::kHoldFull:
    case Reason::kHoldPaged:
    case Reason::kHoldRefused:
    case Reason::kShuttingDown:
      return 503;
    case Reason::kUpstreamConnectTimeout:
    case Reason::kUpstreamHeadTimeout:
    case Reason::kUpstreamIdle:
    case Reason::kHoldCut:
      return 504;
    case Reason::kVersionNotSupported:
      return 505;
    case Reason::kUpgraded:
    case Reason::kTunnelIdle:
    case Reason::kClientTooSlow:
    case Reason::kClientGone:
    case Reason::kBadHandshake:
    case Reason::kHandshakeTimeout:
    case Reason::kBadProxyHeader:
    case Reason::kTooManyHandshakesFromAddress:
    case Reason::kHttp2Protocol:
    case Reason::kHttp2Resets:
    case Reason::kHttp2Frames:
    case Reason::kHttp2Headers:
    case Reason::kCount_:
      return 0;
  }
  return 0;
}

Result<Pages> Pages::load(const std::string& directory) {
  Pages pages;
  for (const auto& page : embedded_pages()) pages.pages_.emplace(page.name, page.html);
  if (directory.empty()) return pages;
  std::error_code failed;
  if (!std::filesystem::is_directory(directory, failed)) {
    return make_error(Reason::kIo, directory + " is not a directory that can be read");
  }
  for (auto& [name, html] : pages.pages_) {
    const auto path = std::filesystem::path(directory) / (name + ".html");
    if (!std::filesystem::exists(path, failed)) {
      if (failed) return make_error(Reason::kIo, path.string() + ": " + failed.message());
      continue;
    }
    const auto bytes = std::filesystem::file_size(path, failed);
    if (failed) return make_error(Reason::kIo, path.string() + ": " + failed.message());
    if (bytes > kMostPageBytes) return make_error(Reason::kIo, path.string() + " is larger than 1 MiB");
    std::ifstream file(path, std::ios::binary);
    html.assign(std::istreambuf_iterator<char>(file), {});
    if (!file || html.size() != bytes) return make_error(Reason::kIo, path.string() + " cannot be read");
  }
  return pages;
}

std::string_view Pages::find(std::string_view name) const {
  const auto found = pages_.find(name);
  return found == pages_.end() ? std::string_view{} : std::string_view(found->second);
}

bool wants_html(const RequestHead& head) {
  bool is_navigation = false;
  for (const auto& header : head.headers) {
    if (header.id == HeaderId::kAccept && names_html(header.value)) return true;
    if (header.id == HeaderId::kOther && equal_ignoring_case(header.name, "sec-fetch-mode")) {
      is_navigation = equal_ignoring_case(header.value, "navigate");
    }
  }
  return is_navigation && !head.path().starts_with("/api/");
}

Answer make_answer(const Pages& pages, const Error& error, bool html, std::string_view request_id) {
  return make_answer(pages, status_of(error.reason), error, html, request_id);
}

Answer make_answer(const Pages& pages, int status, const Error& error, bool html, std::string_view request_id) {
  if (status == 0) return {};
  if (!html) return {status, kProblem, problem(status, error, request_id)};
  const auto page = pages.find(page_of(status, error.reason));
  return {status, kHtml, page.empty() ? small_page(status, error, request_id) : fill(page, request_id)};
}

}  // namespace hybridge::http
