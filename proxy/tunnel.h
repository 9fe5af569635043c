// After a 101: bytes both ways between a client and an upstream, until both sides have ended, one fails, or nothing
// has moved for the idle time-out. A half-close is passed on.
#pragma once

#include "base/error.h"
#include "base/task.h"
#include "proxy/exchange.h"
#include "proxy/upstream/lease.h"

namespace hybridge {

// kUpgraded: both sides ended. kTunnelIdle, kClientGone, kUpstreamClosed otherwise; both connections are over.
Task<Reason> tunnel(Exchange& exchange, Lease upstream);

}  // namespace hybridge
