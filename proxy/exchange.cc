#include "proxy/exchange.h"

#include <openssl/evp.h>

#include <algorithm>
#include <utility>

#include "proxy/http/characters.h"
#include "proxy/http/normal_path.h"
#include "proxy/worker.h"

namespace hybridge {

namespace {
// Goes back through a list of hops, each of which was appended by the next. False: `client` is the one to name, be it
// that nobody trusted speaks for it or that the hop before it is no address.
bool is_trusted_throughout(std::string_view hops, const Worker& worker, std::string_view& client) {
  while (!hops.empty()) {
    const auto comma = hops.rfind(',');
    const auto hop = http::trim(hops.substr(comma == std::string_view::npos ? 0 : comma + 1));
    hops = comma == std::string_view::npos ? std::string_view{} : hops.substr(0, comma);
    const auto address = Address::parse(hop, 0);
    if (!address) return false;
    client = hop;
    if (!worker.config().is_trusted_proxy(*address)) return false;
  }
  return true;
}

// No RFC has a word on it; every balancer appends, some by a field of their own behind the client's, so the last hop
// that is not one of ours is the client. "": none is named.
std::string_view last_untrusted(const http::Headers& headers, const Worker& worker) {
  std::string_view client;
  for (auto at = headers.end(); at != headers.begin();) {
    const auto& header = *--at;
    if (header.id != http::HeaderId::kXForwardedFor) continue;
    if (!is_trusted_throughout(header.value, worker, client)) break;
  }
  return client;
}

// https://www.w3.org/TR/trace-context/#traceparent-header, version 00.
bool is_traceparent(std::string_view value) {
  constexpr std::string_view kShape = "xx-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx-xxxxxxxxxxxxxxxx-xx";
  const auto is_zero = [](std::string_view id) { return id.find_first_not_of('0') == std::string_view::npos; };
  return value.size() == kShape.size() && value.starts_with("00") && !is_zero(value.substr(3, 32)) &&
         !is_zero(value.substr(36, 16)) &&
         std::equal(value.begin(), value.end(), kShape.begin(), [](char c, char shape) {
           return shape == '-' ? c == '-' : (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

// The user of Basic credentials (RFC 7617), its first 64 bytes, in `user`; nothing of the password is kept.
std::string_view basic_user(std::string_view authorization, std::string& user) {
  constexpr std::string_view kScheme = "Basic ";
  constexpr std::size_t kLongest = 64;
  constexpr std::size_t kEncoded = 88;  // of 66 bytes
  if (authorization.size() <= kScheme.size() ||
      !http::equal_ignoring_case(authorization.substr(0, kScheme.size()), kScheme)) {
    return {};
  }
  auto encoded = authorization.substr(kScheme.size(), kEncoded);
  encoded.remove_suffix(encoded.size() % 4);
  std::array<unsigned char, kEncoded / 4 * 3> plain{};
  const auto length = EVP_DecodeBlock(plain.data(), reinterpret_cast<const unsigned char*>(encoded.data()),
                                      static_cast<int>(encoded.size()));
  if (length <= 0) return {};
  const std::string_view credentials(reinterpret_cast<const char*>(plain.data()), static_cast<std::size_t>(length));
  return user.assign(credentials.substr(0, std::min(credentials.find(':'), kLongest)));
}

void write_hex(char* out, std::uint64_t value) {
  for (int i = 15; i >= 0; --i, value >>= 4) out[i] = "0123456789abcdef"[value & 15];
}
}  // namespace

Exchange::Exchange(Worker& its_worker, Stream& its_stream, const Entrance& its_entrance)
    : worker(its_worker),
      stream(its_stream),
      entrance(its_entrance),
      snapshot(its_worker.snapshot()),
      replay(its_worker.replay_memory()),
      gate_entry(*this),
      client_ip_(its_stream.client().peer_ip),
      scheme_(its_entrance.is_https ? "https" : "http") {
  write_hex(request_id_.data(), worker.random());
  write_hex(request_id_.data() + 16, worker.random());
  begin_trace();
  timings.head = microseconds_between(stream.began(), worker.loop().now());
  if (stream.client().is_trusted_proxy) believe_proxy();
}

void Exchange::begin_trace() {
  if (const auto given = request().headers.value(http::HeaderId::kTraceparent); is_traceparent(given)) {
    std::copy(given.begin(), given.end(), traceparent_.begin());
    has_trace_ = true;
    return;
  }
  std::copy_n("00-", 3, traceparent_.begin());
  std::copy(request_id_.begin(), request_id_.end(), traceparent_.begin() + 3);
  traceparent_[35] = '-';
  write_hex(traceparent_.data() + 36, worker.random() | 1);  // all zeroes would be invalid
  std::copy_n("-00", 3, traceparent_.begin() + 52);
}

void Exchange::believe_proxy() {
  const auto& headers = request().headers;
  if (const auto address = headers.value(http::HeaderId::kCfConnectingIp); !address.empty()) {
    if (const auto parsed = Address::parse(address, 0)) {
      client_ip_ = address;
      named_client_ = *parsed;
    }
  } else if (const auto hop = last_untrusted(headers, worker); !hop.empty()) {
    client_ip_ = hop;
    named_client_ = Address::parse(hop, 0).value();
  }
  if (entrance.is_https) return;
  for (const auto& header : headers) {
    if (http::equal_ignoring_case(header.name, "X-Forwarded-Proto") && header.value == "https") scheme_ = "https";
  }
}

std::string_view Exchange::cors_origin() {
  // Chosen as today's proxy chooses its locations: by the path without its disguises.
  const auto path = http::normal_path(request().path(), worker.scratch());
  if (path.starts_with("/assets/") || path.starts_with("/socket.io")) return {};
  return worker.origin_scratch().assign("https://").append(request().host);
}

bool Exchange::is_counted_by_address() const {
  if (client().is_loopback()) return false;
  return named_client_ ? !worker.config().is_trusted_proxy(*named_client_) : !stream.client().is_trusted_proxy;
}

Result<void> Exchange::enter() {
  auto& limits = worker.limits();
  const bool is_in = named_client_ ? limits.begin(*named_client_, !is_counted_by_address(), place_)
                                   : limits.begin(stream.client().place, place_);
  if (is_in) return {};
  return limits.error(Reason::kTooManyRequestsFromAddress);
}

void Exchange::look_again() {
  route = {};
  ruled = {};
  snapshot = worker.snapshot();
}

bool Exchange::may_go_again() {
  return std::exchange(waited_when_stopped_, timings.hold) < timings.hold;
}

ExchangeRecord Exchange::record(TimePoint now) {
  const auto& head = request();
  const auto& client = stream.client();
  ExchangeRecord record;
  record.request_id = request_id();
  record.trace_id = trace_id();
  record.site = route.site;
  record.host = head.host;
  record.client = client_ip_;
  record.remote_user = basic_user(head.headers.value(http::HeaderId::kAuthorization), worker.scratch());
  record.method = head.method_name;
  record.target = head.target;
  record.protocol = http::to_string(head.version);
  record.status = stream.status();
  record.reason = outcome;
  record.detail = detail;
  record.is_tunnel = record.status == 101;
  record.tls_version = client.tls_version;
  record.tls_resumed = client.tls_resumed;
  if (!endpoint.empty()) record.server = server()->name;
  record.endpoint = {endpoint.data(), endpoint.size()};
  record.bytes_in = stream.bytes_in();
  record.bytes_out = stream.bytes_out();
  record.timings = timings;
  record.timings.total = microseconds_between(stream.began(), now);
  record.start_ms = worker.wall_milliseconds() - record.timings.total / 1000;
  record.retries = retries;
  if (held_by) record.hold_id = held_by->id();
  record.rule = ruled.rule;
  record.is_agent_call = onward != nullptr;
  record.request_class = onward ? std::string_view("agent") : ruled.request_class;
  record.would_limit = ruled.would_limit;
  record.revision = (*snapshot)->revision();
  record.user_agent = head.headers.value(http::HeaderId::kUserAgent);
  record.referer = head.headers.value(http::HeaderId::kReferer);
  record.x_forwarded_for = head.headers.value(http::HeaderId::kXForwardedFor);
  return record;
}

}  // namespace hybridge
