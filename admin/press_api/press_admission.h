// Who may call the press API: whoever knows the agent's password, as `Authorization: bearer <password>` or as Basic
// with any user, of which the store keeps a pbkdf2_sha256 hash.
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

#include "admin/api_route.h"
#include "admin/executor.h"
#include "admin/failure_limit.h"
#include "admin/state_reader.h"
#include "base/digest.h"
#include "io/address.h"

namespace hybridge {

class PressAdmission {
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

  explicit PressAdmission(StateReader& reader, std::function<TimePoint()> now = Clock::now);

  void admit(const Caller& caller, const Done& done);  // reads the store: not on a loop
  void stop() { hashing_.stop(); }                     // those that wait are answered before it returns

 private:
  Result<std::string> stored();  // the hash; kNotFound: no password has been set
  bool is_proven(const std::string& hash, const std::string& password);
  Sha256 digest_of(const std::string& password) const;
  std::optional<ApiAnswer> wait_of(const Address& address);
  void prove(const Caller& caller, const std::string& hash, const std::string& password, const Done& done);

  StateReader& reader_;
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
