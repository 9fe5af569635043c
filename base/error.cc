#include "base/error.h"

#include <array>
#include <stdexcept>

namespace hybridge {

namespace {
constexpr std::array<std::string_view, static_cast<std::size_t>(Reason::kCount_)> kCodes = {
    "ok",
    "redirect_to_https",
    "acme_redirect",
    "host_redirect",
    "unknown_host",
    "suspended",
    "suspended_saas",
    "deactivated",
    "rule_redirect",
    "rule_denied",
    "rule_limited",
    "own_page",
    "own_api",
    "upgraded",
    "bad_request_line",
    "bad_header",
    "bad_host",
    "bad_framing",
    "bad_chunk",
    "bad_target",
    "version_not_supported",
    "method_not_allowed",
    "target_too_long",
    "header_too_large",
    "too_many_headers",
    "body_too_large",
    "expectation_failed",
    "head_timeout",
    "body_timeout",
    "client_too_slow",
    "client_gone",
    "bad_handshake",
    "handshake_timeout",
    "bad_proxy_header",
    "misdirected",
    "http2_protocol",
    "http2_resets",
    "http2_frames",
    "http2_headers",
    "not_found",
    "unauthorized",
    "forward_denied",
    "unknown_server",
    "too_many_connections",
    "too_many_connections_from_address",
    "too_many_requests_from_address",
    "too_many_handshakes_from_address",
    "rate_limited",
    "short_of_memory",
    "short_of_descriptors",
    "server_busy",
    "hold_deadline",
    "hold_full",
    "hold_paged",
    "hold_refused",
    "hold_cut",
    "hold_pong",
    "recalled",
    "shutting_down",
    "internal",
    "upstream_unresolved",
    "upstream_connect_failed",
    "upstream_connect_timeout",
    "upstream_tls",
    "upstream_down",
    "upstream_closed",
    "upstream_malformed",
    "upstream_head_too_large",
    "upstream_head_timeout",
    "upstream_idle",
    "upstream_truncated",
    "upstream_status",
    "tunnel_idle",
    "invalid",
    "io",
    "conflict",
};
static_assert(!kCodes.back().empty());
}  // namespace

std::string_view code(Reason reason) {
  return kCodes[static_cast<std::size_t>(reason)];
}

void throw_exception_from_error(const Error& error, const boost::source_location&) {
  throw std::runtime_error(std::string(code(error.reason)) + ": " + error.detail);
}

}  // namespace hybridge
