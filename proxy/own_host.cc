#include "proxy/own_host.h"

#include "proxy/exchange.h"
#include "proxy/onward.h"
#include "proxy/worker.h"

namespace hybridge {

namespace {
constexpr std::string_view kAgent = "/agent";
constexpr std::string_view kMetrics = "/metrics";
constexpr std::string_view kStatus = "/status";

bool is_below(std::string_view path, std::string_view folder) {
  return path.starts_with(folder) && (path.size() == folder.size() || path[folder.size()] == '/');
}

// `/agent/…` and what is monitored, and `/<server>/agent/…` as a server's agent is called through us, whether or not
// there is that server.
bool is_program_path(std::string_view path) {
  if (is_below(path, kAgent) || is_below(path, kMetrics) || is_below(path, kStatus) || onward_path(path)) return true;
  const auto second = path.find('/', 1);
  return second != std::string_view::npos && is_below(path.substr(second), kAgent);
}

// By whom it is called: the hop that counts its failures.
Address caller_of(const Exchange& exchange) {
  const auto believed = Address::parse(exchange.client_ip(), 0);
  return believed ? *believed : exchange.stream.client().peer;
}

Task<Result<void>> serve_api(Exchange& exchange, OwnApi& api) {
  auto& worker = exchange.worker;
  exchange.outcome = Reason::kOwnApi;
  OwnApi::Call call{.stream = exchange.stream,
                    .client = caller_of(exchange),
                    .request_id = exchange.request_id(),
                    .post = [&worker](std::function<void()> work) { worker.post(std::move(work)); }};
  co_await api.serve(std::move(call));
  if (exchange.stream.is_gone()) co_return make_error(Reason::kClientGone, "the client left");
  co_return Result<void>{};
}
}  // namespace

OwnPath own_path(std::string_view path) {
  if (path == "/") return OwnPath::kHome;
  if (is_below(path, kAgent)) return OwnPath::kAgentApi;
  if (is_below(path, kMetrics) || is_below(path, kStatus)) return OwnPath::kMonitoring;
  if (onward_path(path)) return OwnPath::kServer;
  return OwnPath::kNothing;
}

bool is_own_host(const Exchange& exchange) {
  const auto& own = exchange.worker.config().server_name;
  return !exchange.entrance.redirects_to_https && !own.empty() && exchange.request().host == own;
}

bool is_called_by_programs(const Exchange& exchange) {
  return is_own_host(exchange) && is_program_path(exchange.request().path());
}

Task<Result<void>> serve_own_host(Exchange& exchange) {
  switch (own_path(exchange.request().path())) {
    case OwnPath::kHome:
      co_return make_error(Reason::kOwnPage);
    case OwnPath::kAgentApi:
    case OwnPath::kMonitoring: {
      auto* const api = exchange.worker.own_api();
      if (!api) co_return make_error(Reason::kServerBusy, "the API is about to start");
      auto served = co_await serve_api(exchange, *api);
      co_return served;
    }
    case OwnPath::kServer: {
      auto outcome = co_await forward_onward(exchange, *onward_path(exchange.request().target));
      co_return outcome;
    }
    case OwnPath::kNothing:
      break;
  }
  co_return make_error(Reason::kNotFound);
}

}  // namespace hybridge
