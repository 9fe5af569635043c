// Where connections to servers get their TLS from: an SSL that verifies the server's certificate for its name and
// takes a session of before up again.
//
// Owned by the worker; its thread only.
#pragma once

#include "base/error.h"
#include "io/tls_engine.h"
#include "routing/snapshot.h"

namespace hybridge {

class UpstreamTls {
 public:
  // For a server whose tls.mode is not kOff. kUpstreamTls: nothing to verify with (its `ca` cannot be used).
  virtual Result<UniqueSsl> connect(const Server& server) = 0;

 protected:
  ~UpstreamTls() = default;
};

}  // namespace hybridge
