// Whom the admin listeners ask: below /agent/ the API of the proxy's own name, for all else the admin API.
//
// On the admin side's loop. What it is made of outlives it.
#pragma once

#include "admin/api_stream.h"
#include "proxy/own_host.h"

namespace hybridge {

class AdminFront final : public Service {
 public:
  // `post` runs work on the admin side's loop; from any thread.
  AdminFront(Service& admin_api, OwnApi& own_api, LoopPost post)
      : admin_api_(admin_api), own_api_(own_api), post_(std::move(post)) {}

  Task<void> serve(Stream& stream) override;

 private:
  Service& admin_api_;
  OwnApi& own_api_;
  const LoopPost post_;
};

}  // namespace hybridge
