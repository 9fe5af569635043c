#include "admin/password_admission.h"

#include <openssl/crypto.h>
#include <sys/random.h>

#include <algorithm>
#include <array>
#include <stdexcept>

#include "admin/api_stream.h"
#include "admin/basic_password.h"
#include "admin/password_hash.h"
#include "admin/problem.h"
#include "proxy/http/message.h"

namespace hybridge {

namespace {
ApiAnswer unauthenticated() {
  ApiAnswer answer;
  answer.status = 401;
  answer.headers = {{"WWW-Authenticate", "Basic"}};
  answer.body = R"({"message":"Unauthenticated"})";
  return answer;
}

std::string random_salt() {
  std::array<std::uint8_t, 32> bytes{};
  if (getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    throw std::runtime_error("the kernel has no randomness to give");
  }
  return to_hex(bytes);
}

// What stands behind `scheme` and its blanks; nullopt: another scheme.
std::optional<std::string_view> credentials_of(std::string_view authorization, std::string_view scheme) {
  if (authorization.size() <= scheme.size() || authorization[scheme.size()] != ' ' ||
      !http::equal_ignoring_case(authorization.substr(0, scheme.size()), scheme)) {
    return std::nullopt;
  }
  authorization.remove_prefix(std::min(authorization.find_first_not_of(' ', scheme.size()), authorization.size()));
  return authorization;
}

std::optional<std::string> password_of(std::string_view authorization) {
  if (const auto token = credentials_of(authorization, "bearer")) return std::string(*token);
  const auto basic = credentials_of(authorization, "basic");
  return basic ? password_of_basic(*basic) : std::nullopt;
}

PasswordAdmission::Caller caller_of(const OwnApi::Call& call) {
  const auto& client = call.stream.client();
  PasswordAdmission::Caller caller;
  caller.address = call.client;
  caller.is_socket = client.peer.is_unix();
  caller.is_private = client.is_tls || client.direct_peer.is_loopback();
  caller.authorization = std::string(call.stream.request().headers.value(http::HeaderId::kAuthorization));
  return caller;
}
}  // namespace

PasswordAdmission::PasswordAdmission(StateReader& reader, std::string_view secret, std::function<TimePoint()> now)
    : reader_(reader), secret_(secret), now_(std::move(now)), salt_(random_salt()) {}

Task<ApiAnswer> PasswordAdmission::admit(const OwnApi::Call& call, Executor& executor) {
  ApiWork admit = [this, caller = caller_of(call)](const Answered& done) {
    this->admit(caller, [done](std::optional<ApiAnswer> refusal) { done(refusal ? std::move(*refusal) : admitted()); });
  };
  auto answer = co_await run_on(executor, std::move(admit), call.post);
  co_return answer;
}

void PasswordAdmission::admit(const Caller& caller, const Done& done) {
  if (caller.is_socket) return done(std::nullopt);
  if (!caller.is_private) {
    return done(problem(403, "cleartext",
                        "the password is taken over TLS, loopback or the Unix socket only: this connection is none "
                        "of them"));
  }
  const auto password = password_of(caller.authorization);
  if (!password) return done(unauthenticated());
  const auto hash = stored();
  if (!hash) {
    // No password has been set: there is none that fits.
    if (hash.error().reason == Reason::kNotFound) return done(unauthenticated());
    return done(problem(503, code(hash.error().reason), "the password cannot be checked: " + hash.error().detail));
  }
  if (is_proven(*hash, *password)) return done(std::nullopt);
  // Only what is not known to be right is made to wait: whoever shares an address with a guesser goes on working.
  if (auto wait = wait_of(caller.address)) return done(std::move(wait));
  if (hashing_.queued() >= kMostHashing) {
    auto busy = problem(503, "server_busy", "too many passwords are being checked");
    busy.headers.emplace_back("Retry-After", "2");
    return done(std::move(busy));
  }
  hashing_.post([this, caller, hash = *hash, password = *password, done] { prove(caller, hash, password, done); });
}

void PasswordAdmission::prove(const Caller& caller, const std::string& hash, const std::string& password,
                              const Done& done) {
  // Those before it in the queue may have used up its address's share.
  if (auto wait = wait_of(caller.address)) return done(std::move(wait));
  const bool fits = fits_password(hash, password);
  {
    const std::lock_guard lock(mutex_);
    if (!fits) failures_.note(caller.address, now_());
    if (fits && hash_ == hash) proven_ = digest_of(password);
  }
  done(fits ? std::nullopt : std::optional(unauthenticated()));
}

std::optional<ApiAnswer> PasswordAdmission::wait_of(const Address& address) {
  const std::lock_guard lock(mutex_);
  const auto wait = failures_.seconds_to_wait(address, now_());
  if (!wait) return std::nullopt;
  auto refusal = problem(429, "too_many_failures", "too many calls with a wrong password from this address");
  refusal.headers.emplace_back("Retry-After", std::to_string(*wait));
  return refusal;
}

Result<std::string> PasswordAdmission::stored() {
  const auto version = reader_.data_version();
  if (!version) return version.error();
  const std::lock_guard lock(mutex_);
  if (data_version_ == *version) return hash_;
  auto hash = reader_.secret(secret_);
  if (!hash && hash.error().reason != Reason::kNotFound) return hash;
  data_version_ = *version;
  if (hash_ != hash) proven_.reset();
  hash_ = std::move(hash);
  return hash_;
}

bool PasswordAdmission::is_proven(const std::string& hash, const std::string& password) {
  const auto digest = digest_of(password);
  const std::lock_guard lock(mutex_);
  return proven_ && hash_ == hash && CRYPTO_memcmp(proven_->data(), digest.data(), digest.size()) == 0;
}

Sha256 PasswordAdmission::digest_of(const std::string& password) const {
  return sha256(salt_ + password);
}

}  // namespace hybridge
