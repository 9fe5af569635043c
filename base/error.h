// What went wrong, as a value: the reason code that ends up in logs, metrics and `X-Hybridge-Reason`,
// and one sentence for a human. The data plane returns these and never throws.
//
// One function maps a Reason to an HTTP status (proxy/http/error_page.h); one place logs it.
#pragma once

#include <boost/system/result.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace hybridge {

// Why a request (or a connection, or a start-up) ended as it did. `ok` is a request that was proxied to its end.
enum class Reason : std::uint8_t {
  kOk,
  // Answers of our own that are no faults.
  kRedirectToHttps,
  kAcmeRedirect,
  kHostRedirect,
  kUnknownHost,
  kSuspended,
  kSuspendedSaas,
  kDeactivated,
  kRuleRedirect,
  kRuleDenied,
  kRuleLimited,
  kOwnPage,
  kOwnApi,  // an API below the proxy's own name answered; the status tells what
  kUpgraded,
  // The client's faults.
  kBadRequestLine,
  kBadHeader,
  kBadHost,
  kBadFraming,
  kBadChunk,
  kBadTarget,
  kVersionNotSupported,
  kMethodNotAllowed,
  kTargetTooLong,
  kHeaderTooLarge,
  kTooManyHeaders,
  kBodyTooLarge,
  kExpectationFailed,
  kHeadTimeout,
  kBodyTimeout,
  kClientTooSlow,
  kClientGone,
  kBadHandshake,
  kHandshakeTimeout,
  kBadProxyHeader,
  kMisdirected,
  kHttp2Protocol,  // the connection broke the rules of HTTP/2
  kHttp2Resets,    // its budget went into streams that were reset
  kHttp2Frames,    // into frames that carry nothing
  kHttp2Headers,   // into header blocks that are large or in crumbs
  kNotFound,
  kUnauthorized,
  kForwardDenied,
  kUnknownServer,
  // Our own limits.
  kTooManyConnections,
  kTooManyConnectionsFromAddress,
  kTooManyRequestsFromAddress,
  kTooManyHandshakesFromAddress,
  kRateLimited,
  kShortOfMemory,
  kShortOfDescriptors,
  kServerBusy,
  // Its site is held (docs/HOLDS.md).
  kHoldDeadline,  // waited as long as its class may, or is sure to
  kHoldFull,      // too many wait already
  kHoldPaged,     // nobody waits any more: the window took too long
  kHoldRefused,   // what does not wait: an upgrade, a socket.io poll
  kHoldCut,       // was under way when the window began, and did not end in time
  kHoldPong,      // a monitor, answered for its site
  kRecalled,      // goes back to the gate; nobody is told
  kShuttingDown,
  kInternal,
  // The upstream's faults.
  kUpstreamUnresolved,
  kUpstreamConnectFailed,
  kUpstreamConnectTimeout,
  kUpstreamTls,
  kUpstreamDown,
  kUpstreamClosed,
  kUpstreamMalformed,
  kUpstreamHeadTooLarge,
  kUpstreamHeadTimeout,
  kUpstreamIdle,
  kUpstreamTruncated,
  kUpstreamStatus,  // an upstream's 429, 502 or 504 whose body an HTML client sees replaced by our page
  kTunnelIdle,
  // Not about a request: configuration, files, the store.
  kInvalid,
  kIo,
  kConflict,
  kCount_
};

// The stable, lower-case code: `upstream_connect_failed`. Promised to logs, metrics and clients.
std::string_view code(Reason reason);

struct Error {
  Reason reason = Reason::kInternal;
  std::string detail;  // for a human: what, where, what would be right

  friend bool operator==(const Error&, const Error&) = default;
};

inline Error make_error(Reason reason, std::string detail = {}) {
  return Error{reason, std::move(detail)};
}

// Lets Result::value() on an error throw: start-up code and tests only.
[[noreturn]] void throw_exception_from_error(const Error& error, const boost::source_location& where);

template <class T>
using Result = boost::system::result<T, Error>;

}  // namespace hybridge
