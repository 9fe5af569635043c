// Whom the workers ask below the proxy's own name: for what is monitored Monitoring, for all else the control plane's
// API.
//
// On the loop of the stream. What it is made of outlives it.
#pragma once

#include "proxy/own_host.h"

namespace hybridge {

class OwnFront final : public OwnApi {
 public:
  OwnFront(OwnApi& api, OwnApi& monitoring) : api_(api), monitoring_(monitoring) {}

  Task<void> serve(Call call) override {
    const bool is_monitoring = own_path(call.stream.request().path()) == OwnPath::kMonitoring;
    return (is_monitoring ? monitoring_ : api_).serve(std::move(call));
  }

 private:
  OwnApi& api_;
  OwnApi& monitoring_;
};

}  // namespace hybridge
