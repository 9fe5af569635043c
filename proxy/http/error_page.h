// Answers of our own: the status of a Reason, and a body in the kind the client accepts (HTML page or
// application/problem+json, RFC 9457). Pages come from `pages_dir` or are built in.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/error.h"
#include "proxy/http/message.h"

namespace hybridge::http {

// The one mapping from what went wrong to what the client is told; 0: nothing can be told (the client is gone).
int status_of(Reason reason);

// The pages by name: exceeded, bad_gateway, gateway_timeout, deactivated, suspended, suspended_saas, maintenance,
// not_found (conf/hybridge.yaml, pages_dir). Immutable after load; shared by all workers.
class Pages {
 public:
  // The built-in pages, replaced by `<name>.html` files of `directory` where they exist ("" : built-in only).
  // kIo: the directory or a page in it cannot be read, or a page is larger than 1 MiB.
  static Result<Pages> load(const std::string& directory);
  std::string_view find(std::string_view name) const;  // "" : no such page

 private:
  std::map<std::string, std::string, std::less<>> pages_;
};

// Does the client want HTML? (Accept names text/html, or Sec-Fetch-Mode: navigate; never for /api/ paths unless
// Accept names text/html.)
bool wants_html(const RequestHead& head);

struct Answer {
  int status = 0;
  std::string_view content_type;
  std::string body;
};

// The body for `error`: a page by its reason or else its status, or a small one of its own kind. {{request_id}} in a
// page becomes the request's id. A reason without a status (status_of() == 0) gives status 0 and no body.
// `detail` is the sentence shown in problem+json (and in the HTML page of client faults), escaped.
Answer make_answer(const Pages& pages, const Error& error, bool html, std::string_view request_id);
// The same under another status than the reason's own: an upstream's 429 or 504 (kUpstreamStatus), an unknown host's
// 404 where there is nowhere to send it.
Answer make_answer(const Pages& pages, int status, const Error& error, bool html, std::string_view request_id);

}  // namespace hybridge::http
