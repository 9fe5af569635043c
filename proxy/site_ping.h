// Asks a site's own server whether the site works: one `GET /api/method/ping`, by the connections that its requests go
// by, to where the table has the site at this moment.
//
// Owned by whoever asks; the worker's thread only. Counted among nobody's requests.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "base/task.h"
#include "base/timer_wheel.h"
#include "proxy/http/unavailable.h"
#include "proxy/upstream/lease.h"

namespace hybridge {

class Worker;

class SitePing final : private Timer::Owner {
 public:
  static constexpr auto kPatience = std::chrono::seconds(5);  // as long as the control plane's own ping waits

  SitePing(Worker& worker, std::string site);

  // One at a time. Nothing: the table has no such site.
  Task<std::optional<http::Ping>> ask();

 private:
  void on_timer() override;  // it has taken too long
  Task<http::Ping> ask(UpstreamConnection& connection);

  Worker& worker_;
  const std::string site_;
  Timer timer_;
  LeaseRequest request_;
  UpstreamConnection* connection_ = nullptr;
};

}  // namespace hybridge
