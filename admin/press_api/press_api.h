// The press API: what a Frappe control plane calls an agent for, below `/agent/` of the proxy's own name and of the
// admin listener. Finds the call's route, asks for the password, reads the body within its limit, has the call answered
// on a background thread, and writes the one answer, which is JSON whatever became of it.
//
// One for all listeners; made by main, handed to the edge and the admin side. serve() runs on the loop of the stream,
// the rest on threads of its own.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "admin/api_route.h"
#include "admin/executor.h"
#include "admin/hold_registry.h"
#include "admin/password_admission.h"
#include "admin/press_api/job_book.h"
#include "admin/press_api/job_runner.h"
#include "admin/press_api/local_agent.h"
#include "admin/publisher.h"
#include "admin/state_reader.h"
#include "proxy/config.h"
#include "proxy/own_host.h"

namespace hybridge {

class PressApi final : public OwnApi {
 public:
  struct Sources {
    Publisher& publisher;
    StateReader& reader;
    std::function<std::shared_ptr<const Config>()> config;  // thread-safe
    HoldRegistry* holds = nullptr;                          // nullptr: nothing is held
    std::function<std::int64_t()> now = {};                 // Unix microseconds; not set: the clock
    std::function<TimePoint()> steady_now = {};             // not set: the clock
  };

  static constexpr std::size_t kBodyBytes = std::size_t{8} << 20;  // all wildcards of a proxy come in one call
  static constexpr std::size_t kMostQueued = 4'096;                // calls that wait for a thread

  // kIo: the store cannot be read.
  static Result<std::unique_ptr<PressApi>> make(Sources sources);
  ~PressApi() override;  // what is being answered is, before it returns; the loops no longer turn

  Task<void> serve(Call call) override;

 private:
  PressApi(Sources sources, std::unique_ptr<JobBook> book);

  Task<ApiAnswer> answer(Call& call);
  Task<ApiAnswer> dispatch(Call& call, std::string path);
  Task<ApiAnswer> run(Call& call, const ApiRoute& route, std::shared_ptr<ApiRequest> request);
  // By the agent beside us.
  Task<ApiAnswer> pass_on(Call& call, std::string path);
  // Of a poll that asked for jobs of the agent beside us too: both answers in one.
  Task<ApiAnswer> complete(Call& call, std::string path, ApiAnswer ours);

  std::unique_ptr<JobBook> book_;
  JobRunner runner_;
  PasswordAdmission admission_;
  LocalAgent local_agent_;
  std::vector<ApiRoute> routes_;
  Executor executor_{"press-api", 2};  // the first to go: its work uses all of the above
};

}  // namespace hybridge
