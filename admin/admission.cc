#include "admin/admission.h"

#include <openssl/crypto.h>

#include "admin/problem.h"
#include "proxy/http/message.h"

namespace hybridge {

namespace {
constexpr std::string_view kScheme = "Bearer ";

Admission::Verdict refused(int status, std::string_view code, std::string_view detail) {
  Admission::Verdict verdict;
  verdict.refusal = problem(status, code, detail);
  if (status == 401) verdict.refusal->headers.emplace_back("WWW-Authenticate", "Bearer realm=\"hybridge\"");
  return verdict;
}
}  // namespace

bool may(Role role, Role needed) {
  return role == Role::kAdmin || needed == Role::kRead || role == needed;
}

Admission::Verdict Admission::admit(const Caller& caller, Role needed) {
  if (caller.peer.is_unix()) return {"socket", std::nullopt};
  if (!caller.is_tls && !caller.peer.is_loopback()) {
    return refused(403, "cleartext",
                   "tokens are taken over loopback, TLS or the Unix socket only: this connection is none of them");
  }
  const std::lock_guard lock(mutex_);
  const std::string_view authorization = caller.authorization;
  if (authorization.empty()) return refused(401, "unauthorized", "this call needs Authorization: Bearer TOKEN");
  if (authorization.size() <= kScheme.size() ||
      !http::equal_ignoring_case(authorization.substr(0, kScheme.size()), kScheme)) {
    return refused(401, "unauthorized", "the Authorization header is not of the form: Bearer TOKEN");
  }
  if (auto refreshed = refresh(); !refreshed) return {{}, problem(refreshed.error())};
  const auto hash = sha256(authorization.substr(kScheme.size()));
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
    return refused(401, "unauthorized", "this token is not known");
  }
  if (!may(known->role, needed)) {
    return refused(403, "forbidden",
                   "token " + known->name + " has role " + std::string(to_string(known->role)) +
                       ", this call needs role " + std::string(to_string(needed)) + " or admin");
  }
  return {known->name, std::nullopt};
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
