// What the fuzz targets demand of requests, whichever protocol they came by.
#pragma once

#include <string>

#include "proxy/http/forwarded.h"
#include "proxy/http/http1_parser.h"
#include "tests/fuzz/demand.h"
#include "tests/proxy/http/llhttp_judge.h"

namespace hybridge::http {

using hybridge::test::demand;
inline void demand_agreement(const std::string& disagreement) {
  demand(disagreement.empty(), disagreement);
}

// Larger than what any target lets in, for what is made of it.
inline constexpr HeadLimits kWider{.target_bytes = 4096, .head_bytes = 16384, .headers = 100};

// A request that was accepted, by whichever protocol, means the same in the HTTP/1.1 that is made of it, and what the
// client may not say does not come through.
inline void check_forwarded(const RequestHead& head) {
  const Forwarding forwarding{.client_address = "203.0.113.9",
                              .client_port = 1,
                              .request_id = "id",
                              .traceparent = "trace",
                              .send_expect = true};
  std::string out;
  append_upstream_request(out, head, forwarding);
  demand(*HeadScanner{}.scan(out, kWider) == out.size(), "what is forwarded is one head");
  RequestHead again;
  const auto parsed = parse_request_head(again, out, kWider);
  demand(parsed.has_value(), parsed ? "" : parsed.error().detail);
  demand(again.method_name == head.method_name && again.target == head.target, "method and target are kept");
  demand(again.framing == head.framing, "the framing is kept");
  demand(again.host == head.host && again.authority == head.host, "the upstream sees the host");
  demand(again.upgrade == head.upgrade, "an upgrade is kept, none begins");
  demand(again.headers.value(HeaderId::kXRealIp) == "203.0.113.9" && again.headers.count(HeaderId::kXRealIp) == 1 &&
             again.headers.count(HeaderId::kXForwardedFor) == 1 && again.headers.count(HeaderId::kXRequestId) == 1,
         "the client's address is ours");
  demand(!again.headers.has(HeaderId::kProxyOther) && !again.headers.has(HeaderId::kForwarded) &&
             !again.headers.has(HeaderId::kXFrappeSiteName),
         "hop-by-hop fields end here");
  const auto te = again.headers.value(HeaderId::kTe);
  demand(te.empty() || (te == "trailers" && takes_trailers(head) && again.headers.count(HeaderId::kTe) == 1),
         "of TE only trailers pass, for who takes them");
  demand(again.headers.value(HeaderId::kConnection) == (te.empty() ? head.upgrade.empty() ? "" : "upgrade" : "TE"),
         "Connection is for upgrades and TE only");
  demand_agreement(test::disagreement(again, out));
}

}  // namespace hybridge::http
