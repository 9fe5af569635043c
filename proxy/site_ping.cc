#include "proxy/site_ping.h"

#include <utility>

#include "proxy/worker.h"

namespace hybridge {

using http::Ping;

SitePing::SitePing(Worker& worker, std::string site)
    : worker_(worker), site_(std::move(site)), timer_(worker.loop().timers(), *this) {
  request_.site = site_;
  request_.is_safe = true;
  request_.is_probe = true;
}

Task<std::optional<Ping>> SitePing::ask() {
  const auto snapshot = worker_.snapshot();
  const auto site = (*snapshot)->site(site_);
  if (!site) co_return std::nullopt;
  const auto server = (*snapshot)->server(site->server);
  if (!server) co_return Ping::kNoAnswer;

  timer_.arm(worker_.loop().now() + kPatience);
  auto lease = co_await worker_.upstreams().find(server).lease(request_);
  auto said = Ping::kNoAnswer;
  if (lease) {
    connection_ = &**lease;
    said = co_await ask(**lease);
    connection_ = nullptr;
  }
  timer_.disarm();
  co_return said;
}

Task<Ping> SitePing::ask(UpstreamConnection& connection) {
  auto& out = worker_.scratch();
  out.assign("GET /api/method/ping HTTP/1.1\r\nHost: ").append(site_).append("\r\nX-Forwarded-Proto: https\r\n");
  out.append("X-Forwarded-Host: ").append(site_).append("\r\nAccept: application/json\r\nUser-Agent: Hybridge\r\n\r\n");
  connection.begin(http::Method::kGet, {});
  connection.write_head(out);
  connection.finish_body();

  const http::ResponseHead* head = nullptr;
  do {
    const auto next = co_await connection.read_head();
    if (!next) co_return Ping::kNoAnswer;
    head = *next;
  } while (head->is_informational());

  std::string body;
  for (;;) {
    const auto piece = co_await connection.read_body();
    if (!piece) co_return Ping::kNoAnswer;
    if (piece->empty()) co_return http::read_ping(*head, body);
    body.append(as_text(*piece));
    if (body.size() > http::kInspectedBytes) co_return Ping::kOtherwise;
  }
}

void SitePing::on_timer() {
  if (connection_) {
    connection_->abort(make_error(Reason::kUpstreamHeadTimeout, "no answer to a ping in time"));
  } else {
    request_.cancel();
  }
}

}  // namespace hybridge
