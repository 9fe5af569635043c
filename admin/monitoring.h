// What is read below the proxy's own name to watch over it: /metrics/hybridge and /status are Hybridge's own words,
// /metrics/<name> an exporter's of this machine (`exporters`). Whoever knows the password of monitoring may read.
//
// One for all listeners; made by the daemon. serve() runs on the loop of the stream, the rest on threads of its own: an
// exporter that is slow holds up a thread here, at most, and the callers of exporters behind it.
#pragma once

#include <functional>
#include <memory>

#include "admin/api_route.h"
#include "admin/executor.h"
#include "admin/password_admission.h"
#include "admin/state_reader.h"
#include "admin/status_api.h"
#include "proxy/config.h"
#include "proxy/own_host.h"

namespace hybridge {

class Monitoring final : public OwnApi {
 public:
  struct Sources {
    StateReader& reader;
    StatusApi status;
    std::function<std::shared_ptr<const Config>()> config;  // thread-safe
  };

  static constexpr std::size_t kMostWaiting = 64;       // calls, for a thread
  static constexpr std::chrono::seconds kPatience{10};  // with an exporter: as long as Prometheus has

  explicit Monitoring(Sources sources);
  ~Monitoring() override;  // what is being answered is, before it returns; the loops no longer turn

  Task<void> serve(Call call) override;

 private:
  Task<ApiAnswer> answer(const Call& call);
  Task<ApiAnswer> ask_exporter(const Call& call, const http::RequestHead& head);

  const StatusApi status_;
  const std::function<std::shared_ptr<const Config>()> config_;
  PasswordAdmission admission_;
  Executor exporters_{"exporters", 4};
  Executor executor_{"monitoring"};  // the first to go: its work uses all of the above
};

}  // namespace hybridge
