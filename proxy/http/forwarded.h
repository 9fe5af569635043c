// What Hybridge changes in the heads that pass through it, in both directions; the one place for header rules.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "proxy/http/message.h"

namespace hybridge::http {

// A field that an operator wants, in the place of all of that name.
struct ExtraHeader {
  std::string_view name;
  std::string_view value;
};

// What the upstream is told of the client.
struct Forwarding {
  std::string_view client_address = {};  // textual, without port or brackets
  std::uint16_t client_port = 0;
  std::string_view scheme = "https";  // X-Forwarded-Proto
  std::string_view request_id = {};
  std::string_view traceparent = {};  // kept from the client or begun here
  bool send_expect = false;           // pass Expect: 100-continue on
  std::span<const ExtraHeader> extra = {};
  std::string_view host = {};    // the Host field; "": the request's
  std::string_view target = {};  // of the request line; "": the request's
};

// The request as the upstream shall see it: HTTP/1.1, hop-by-hop fields and those a client may not set dropped
// (what Connection names is dropped too, but never what we add or Host), our own added. The framing is that of
// `head`: Content-Length or chunked. An upgrade is passed with Connection: upgrade. A client that says `TE: trailers`
// has it said for it, since trailers go on to it: some servers send theirs to nobody else.
void append_upstream_request(std::string& out, const RequestHead& head, const Forwarding& forwarding);

// What the client is told beside the upstream's own.
struct ResponseRules {
  std::string_view server_header = {};      // "": none
  std::string_view proxy_upstream = {};     // X-Proxy-Upstream; "": none (pages in place of an upstream's error)
  std::string_view request_id = {};         // X-Request-ID
  std::string_view cors_origin = {};        // `https://<host>`: CORS defaults where the upstream sent none; "": no CORS
  std::string_view reason = {};             // X-Hybridge-Reason on answers of our own; "": none
  std::span<const ExtraHeader> extra = {};  // last, so that they have their way
  bool security_headers = true;             // X-Frame-Options … HSTS: replace the upstream's own (not on port 80)
};

// Drops hop-by-hop fields, Server, X-Accel-* and what the rules replace, adds the rules' own. In place; the views in
// `rules` and string literals are referred to, so they must outlive `head`. `date` is the Date field's value for
// when the upstream sent none.
void apply_response_rules(ResponseHead& head, const ResponseRules& rules, std::string_view date);

// RFC 9110 6.5.1, 10.1.4: does whoever asked take fields behind the answer's body? HTTP/2 does, HTTP/1.1 if it says so.
bool takes_trailers(const RequestHead& request);

// Drops of the fields behind a body what means something only in a head (framing, routing, who is who, caching, what
// the body is), what apply_response_rules() drops or sets, and what the answer's `head` says belongs to its connection.
void apply_trailer_rules(Headers& trailers, const ResponseHead& head, std::span<const ExtraHeader> extra);

// `http://` and the first 16 hexadecimal digits of SHA-512 of the server's name, as today's dashboards know it.
std::string proxy_upstream_name(std::string_view server);

}  // namespace hybridge::http
