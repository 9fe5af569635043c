#include "admin/reasons.h"

#include <array>

namespace hybridge {

namespace {
struct Meaning {
  Reason reason;
  std::string_view text;
};

constexpr auto kMeanings = std::to_array<Meaning>({
    {Reason::kOk, "the server's answer was carried to its end"},
    {Reason::kUpgraded, "it became a tunnel (WebSocket), which has ended"},
    {Reason::kRedirectToHttps, "it came by the http listener and was sent to https"},
    {Reason::kAcmeRedirect, "an ACME challenge, which the control plane answers"},
    {Reason::kHostRedirect, "its host is redirected to another one"},
    {Reason::kUnknownHost, "no site has this host"},
    {Reason::kSuspended, "the status of its site"},
    {Reason::kSuspendedSaas, "the status of its site"},
    {Reason::kDeactivated, "the status of its site"},
    {Reason::kRuleRedirect, "a rule ended it; `rule` names it"},
    {Reason::kRuleDenied, "a rule ended it; `rule` names it"},
    {Reason::kRuleLimited, "a rule ended it; `rule` names it"},
    {Reason::kBadRequestLine, "the request is malformed or ambiguous"},
    {Reason::kBadHeader, "the request is malformed or ambiguous"},
    {Reason::kBadHost, "the request is malformed or ambiguous"},
    {Reason::kBadFraming, "the request is malformed or ambiguous"},
    {Reason::kBadChunk, "the request is malformed or ambiguous"},
    {Reason::kBadTarget, "the request is malformed or ambiguous"},
    {Reason::kTargetTooLong, "a limit on what a request may be"},
    {Reason::kHeaderTooLarge, "a limit on what a request may be"},
    {Reason::kTooManyHeaders, "a limit on what a request may be"},
    {Reason::kBodyTooLarge, "a limit on what a request may be"},
    {Reason::kHeadTimeout, "the client took too long to send"},
    {Reason::kBodyTimeout, "the client took too long to send"},
    {Reason::kClientTooSlow, "the client took nothing of the answer for timeouts.write_idle"},
    {Reason::kClientGone, "the client left before the answer was complete"},
    {Reason::kServerBusy, "the bound of this server, or of this site's share of it"},
    {Reason::kShuttingDown, "this proxy was being stopped"},
    {Reason::kUpstreamUnresolved, "the server's name has no address"},
    {Reason::kUpstreamConnectFailed, "no connection to the server could be made"},
    {Reason::kUpstreamConnectTimeout, "no connection to the server could be made"},
    {Reason::kUpstreamTls, "the server's certificate or TLS was not acceptable"},
    {Reason::kUpstreamDown, "the server failed lately and is left alone for a moment"},
    {Reason::kUpstreamClosed, "the server closed the connection before it answered"},
    {Reason::kUpstreamMalformed, "the server's answer is no HTTP as it should be"},
    {Reason::kUpstreamHeadTooLarge, "the server's answer is no HTTP as it should be"},
    {Reason::kUpstreamHeadTimeout, "the server took longer than timeouts.response_head to answer"},
    {Reason::kUpstreamIdle, "the server's answer stopped for timeouts.response_idle"},
    {Reason::kUpstreamTruncated, "the server's answer broke off"},
    {Reason::kUpstreamStatus, "the server's own status; browsers see our page"},
    {Reason::kTunnelIdle, "neither side of the tunnel said anything for timeouts.tunnel_idle"},
});
}  // namespace

bool is_reason(std::string_view text) {
  for (std::size_t i = 0; i < static_cast<std::size_t>(Reason::kCount_); ++i) {
    if (code(static_cast<Reason>(i)) == text) return true;
  }
  return false;
}

std::string_view meaning_of(Reason reason) {
  for (const auto& meaning : kMeanings) {
    if (meaning.reason == reason) return meaning.text;
  }
  return {};
}

}  // namespace hybridge
