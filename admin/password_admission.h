// Who may call what is below the proxy's own name: whoever knows its password, as `Authorization: bearer <password>` or
// as Basic with any user, of which the store keeps a pbkdf2_sha256 hash. The press API asks for one, what Prometheus
// reads for another.
//
// A hash costs milliseconds, so it is made on a thread of its own, for a bounded number of callers at a time, and the
// password that was right is remembered (by its digest) until the stored hash changes: the control plane polls. Wrong
// ones are limited by address. Never over clear text but on loopback; the Unix socket needs none: its listener has let
// in root and the service's own user only.
//
// Any thread. The stored hash is looked at in each call, so a change is in force at once, whoever made it.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "admin/api_route.h"
#include "admin/executor.h"
#include "admin/failure_limit.h"
#include "admin/state_reader.h"
#include "base/digest.h"
#include "base/task.h"
#include "io/address.h"
#include "proxy/own_host.h"

namespace hybridge {

// Among the store's secrets, beside kAgentPassword: the hash of the password for what is monitored.
inline constexpr std::string_view kMonitoringPassword = "monitoring_password";

class PasswordAdmission {
 public:
  struct Caller {
    Address address;
    bool is_socket = false;   // of the Unix socket
    bool is_private = false;  // nobody can listen: TLS, loopback
    std::string authorization;
  };
  // nullopt: admitted. Called once, on this thread or the one that hashes.
  using Done = std::function<void(std::optional<ApiAnswer> refusal)>;

  static constexpr std::size_t kMostHashing = 64;  // that wait for the thread; others are told to come again

  // `secret`: under which name the store has the hash.
  PasswordAdmission(StateReader& reader, std::string_view secret, std::function<TimePoint()> now = Clock::now);

  void admit(const Caller& caller, const Done& done);  // reads the store: not on a loop
  // The same on the loop of the call, by way of `executor`. The answer's status is 0: admitted.
  Task<ApiAnswer> admit(const OwnApi::Call& call, Executor& executor);
  void stop() { hashing_.stop(); }  // those that wait are answered before it returns

 private:
  Result<std::string> stored();  // the hash; kNotFound: no password has been set
  bool is_proven(const std::string& hash, const std::string& password);
  Sha256 digest_of(const std::string& password) const;
  std::optional<ApiAnswer> wait_of(const Address& address);
  void prove(const Caller& caller, const std::string& hash, const std::string& password, const Done& done);

  StateReader& reader_;
  const std::string secret_;
  const std::function<TimePoint()> now_;
  std::string salt_;  // of this process: what is remembered is of no use to anybody else

  std::mutex mutex_;  // of all below
  std::optional<std::int64_t> data_version_;
  Result<std::string> hash_ = make_error(Reason::kNotFound);
  std::optional<Sha256> proven_;  // of the password that fits hash_
  FailureLimit failures_;

  Executor hashing_{"passwords"};  // the first to go
};

}  // namespace hybridge
