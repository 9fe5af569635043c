// Names of endpoints to addresses, off the workers: one for the process, with a few threads of its own. Answers are
// shared by all workers; a name is asked for again only when somebody who uses it asks and the answer has grown old.
// When that fails the last good answer stays, and the log says so.
//
// Thread-safe. Outlives nobody who waits: answers are posted to the asker's loop, so it must be destroyed before the
// loops are. Numeric addresses never come here.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "io/address.h"

namespace hybridge {

class Loop;

class Resolver {
 public:
  using Addresses = std::shared_ptr<const std::vector<Address>>;  // without ports; IPv6 and IPv4 as the system orders
  struct Answer {
    Addresses addresses;         // nullptr: never yet resolved
    std::optional<Error> fault;  // kUpstreamUnresolved: of the last look-up; the addresses are then the last good ones
  };
  // One look-up, as long as it takes; any of our threads. kUpstreamUnresolved, or one address at least.
  using LookUp = std::function<Result<std::vector<Address>>(const std::string& name)>;

  explicit Resolver(Duration refresh, std::size_t threads = 4, LookUp look_up = system_look_up);
  ~Resolver();  // look-ups under way are waited for, but nobody is told any more
  Resolver(const Resolver&) = delete;

  // `told` runs once, on the loop's thread: at once posted if the answer is younger than `refresh`, else after a
  // look-up, which is shared with whoever else asks meanwhile.
  void ask(std::string_view name, Loop& loop, std::function<void(const Answer&)> told);

  static Result<std::vector<Address>> system_look_up(const std::string& name);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace hybridge
