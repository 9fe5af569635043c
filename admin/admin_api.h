// The admin API, version 1: finds the route of a call, asks who may, reads the body within its limit, has the call
// answered on a background thread, and writes the one answer. What the calls do is in snapshot_api, records_api,
// certificates_api, inquiry_api, events_api and status_api.
//
// One for all its listeners. serve() runs on the loop of the stream; the rest on the API's own threads, so that neither
// SQLite nor PEM ever holds up a loop.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "admin/admission.h"
#include "admin/api_route.h"
#include "admin/api_stream.h"
#include "admin/event_log.h"
#include "admin/executor.h"
#include "admin/hold_registry.h"
#include "admin/inquiry_api.h"
#include "admin/page_api.h"
#include "admin/publisher.h"
#include "admin/receipts.h"
#include "admin/state_reader.h"
#include "admin/status_facts.h"
#include "admin/traffic_history.h"
#include "base/task.h"
#include "proxy/config.h"
#include "proxy/downstream/stream.h"

namespace hybridge {

class AdminApi final : public Service {
 public:
  using Post = LoopPost;

  struct Sources {
    Publisher& publisher;
    StateReader& reader;
    EventLog& events;
    Post post;                                              // of the listener whose Service this is
    std::function<StatusFacts()> status;                    // thread-safe
    std::function<std::string()> metrics;                   // thread-safe; Prometheus's text
    std::function<std::shared_ptr<const Config>()> config;  // thread-safe
    std::function<Result<void>()> upgrade = {};             // thread-safe; begins it
    HoldRegistry* holds = nullptr;                          // nullptr: there are none
    WorkersKnow workers;
    std::function<TrafficHistory::Seconds()> traffic = {};  // thread-safe
    std::function<ServerStates()> health = {};              // thread-safe; who is asked whether they answer
    std::function<std::int64_t()> now = {};                 // Unix seconds; not set: the clock
    std::function<TimePoint()> steady_now = {};             // not set: the clock
  };

  explicit AdminApi(Sources sources);
  ~AdminApi();  // what is being answered is, before it returns; the loops no longer turn

  Task<void> serve(Stream& stream) override;       // on the loop of Sources::post
  Task<void> serve_on(Stream& stream, Post post);  // on any other

  static constexpr std::size_t kSnapshotBytes = std::size_t{64} << 20;
  static constexpr std::size_t kCertificateBytes = std::size_t{1} << 20;

 private:
  // A call that may be carried out; without a route: what it is refused with.
  struct Call {
    const ApiRoute* route = nullptr;
    std::shared_ptr<ApiRequest> request = std::make_shared<ApiRequest>();
    ApiAnswer refusal = {};
  };
  static Call refused(Call call, ApiAnswer refusal);
  Task<Call> admit(Stream& stream, const Post& post);
  Task<std::optional<ApiAnswer>> take_body(Stream& stream, const ApiRoute& route, ApiRequest& request);
  Task<ApiAnswer> answer(const Call& call, const Post& post);

  Admission admission_;
  Receipts receipts_;
  std::vector<ApiRoute> routes_;
  Post post_;
  Executor executor_{"admin-api", 2};  // the first to go: its work uses all of the above
};

}  // namespace hybridge
