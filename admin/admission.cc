#include "admin/admission.h"

#include <openssl/crypto.h>

#include "admin/basic_password.h"
#include "admin/problem.h"
#include "proxy/http/message.h"

namespace hybridge {

namespace {
Admission::Verdict refused(int status, std::string_view code, std::string_view detail) {
  Admission::Verdict verdict;
  verdict.refusal = problem(status, code, detail);
  return verdict;
}

Admission::Verdict unauthorized(bool is_browser, std::string_view detail) {
  auto verdict = refused(401, "unauthorized", detail);
  verdict.refusal->headers.emplace_back(
      "WWW-Authenticate", is_browser ? R"(Basic realm="hybridge", charset="UTF-8")" : R"(Bearer realm="hybridge")");
  return verdict;
}

std::optional<std::string_view> behind(std::string_view scheme, std::string_view authorization) {
  if (authorization.size() <= scheme.size()) return std::nullopt;
  if (!http::equal_ignoring_case(authorization.substr(0, scheme.size()), scheme)) return std::nullopt;
  return authorization.substr(scheme.size());
}

// nullopt: the header is of no form that is taken here.
std::optional<std::string> token_of(std::string_view authorization, bool is_browser) {
  if (const auto token = behind("Bearer ", authorization)) return std::string(*token);
  const auto basic = is_browser ? behind("Basic ", authorization) : std::nullopt;
  return basic ? password_of_basic(*basic) : std::nullopt;
}
}  // namespace

bool may(Role role, Role needed) {
  return role == Role::kAdmin || needed == Role::kRead || role == needed;
}

Admission::Verdict Admission::admit(const Caller& caller, Role needed) {
  if (caller.peer.is_unix()) return {.who = "socket", .role = Role::kAdmin};
  if (!caller.is_tls && !caller.peer.is_loopback()) {
    return refused(403, "cleartext",
                   "tokens are taken over loopback, TLS or the Unix socket only: this connection is none of them");
  }
  const std::lock_guard lock(mutex_);
  const std::string_view authorization = caller.authorization;
  if (authorization.empty()) {
    return unauthorized(caller.is_browser, caller.is_browser ? "this page needs a token, as the password of any user"
                                                             : "this call needs Authorization: Bearer TOKEN");
  }
  const auto token_text = token_of(authorization, caller.is_browser);
  if (!token_text) {
    return unauthorized(caller.is_browser, "the Authorization header is not of the form: Bearer TOKEN");
  }
  if (auto refreshed = refresh(); !refreshed) return {.who = {}, .refusal = problem(refreshed.error())};
  const auto hash = sha256(*token_text);
  // All are compared, each in constant time: how long it takes tells nothing.
  const TokenRecord* known = nullptr;
  for (const auto& token : tokens_) {
    if (CRYPTO_memcmp(token.hash.data(), hash.data(), hash.size()) == 0) known = &token;
  }
  if (!known) {
    // Only a wrong token is made to wait: whoever shares an address with a guesser goes on working.
    if (const auto wait = failures_.seconds_to_wait(caller.peer, now_())) {
      auto verdict = refused(429, "too_many_failures", "too many calls with a wrong token from this address");
      verdict.refusal->headers.emplace_back("Retry-After", std::to_string(*wait));
      return verdict;
    }
    failures_.note(caller.peer, now_());
    return unauthorized(caller.is_browser, "this token is not known");
  }
  if (!may(known->role, needed)) {
    return refused(403, "forbidden",
                   "token " + known->name + " has role " + std::string(to_string(known->role)) +
                       ", this call needs role " + std::string(to_string(needed)) + " or admin");
  }
  return {.who = known->name, .role = known->role};
}

Result<void> Admission::refresh() {
  const auto version = reader_.data_version();
  if (!version) return version.error();
  if (data_version_ == *version) return {};
  auto tokens = reader_.tokens();
  if (!tokens) return tokens.error();
  tokens_ = std::move(*tokens);
  data_version_ = *version;
  return {};
}

}  // namespace hybridge
