// Host names as Hybridge takes them: what is one, and the one spelling it is kept and compared in.
//
// Letters, digits and hyphen; labels of 1..63 bytes that neither begin nor end with a hyphen; 253 bytes at most;
// lower-case, without a trailing dot. IPv4 literals are names too. Pure functions.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace hybridge {

inline constexpr std::size_t kMaxHostName = 253;  // RFC 1035 2.3.4, textual, without the trailing dot
inline constexpr std::size_t kMaxLabel = 63;

// `Erp.Acme.COM.` → `erp.acme.com`. kInvalid: a sentence that quotes the name and says what is wrong with it.
Result<std::string> normalize_host_name(std::string_view text);

// As above, and `*.example.com` too: the star only as the whole first label, with a name after it.
Result<std::string> normalize_host_pattern(std::string_view text);

// What a connection can be made to: a host name, an IPv4 or an IPv6 literal (brackets are taken off).
Result<std::string> normalize_endpoint_address(std::string_view text);

// Is it a name in the spelling normalize_host_name() gives?
bool is_normal_host_name(std::string_view text);

bool is_host_pattern(std::string_view text);  // begins with `*.`; the rest is not looked at
bool is_ipv4_literal(std::string_view text);  // four decimal numbers, no leading zeros
bool is_ipv6_literal(std::string_view text);  // without brackets

// The text in double quotes, for messages: control and non-ASCII bytes as \xNN, cut after 80 bytes.
std::string in_quotes(std::string_view text);

}  // namespace hybridge
