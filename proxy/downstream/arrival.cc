#include "proxy/downstream/arrival.h"

#include <algorithm>
#include <utility>

#include "proxy/downstream/http1_connection.h"
#include "proxy/http/proxy_protocol.h"

namespace hybridge {

namespace {
constexpr std::uint8_t kTlsHandshakeRecord = 0x16;  // RFC 8446 5.1
}  // namespace

Arrival::Arrival(Downstream& downstream, Service& service, ServerContext* tls, int descriptor, const Address& peer,
                 std::unique_ptr<const Error> refusal)
    : downstream_(downstream),
      service_(service),
      tls_(tls),
      transport_(std::make_unique<Transport>(downstream.loop(), static_cast<Transport::User&>(*this))),
      timer_(downstream.loop().timers(), *this),
      refusal_(std::move(refusal)) {
  facts_.peer = facts_.direct_peer = peer;
  facts_.is_tls = tls != nullptr;
  transport_->open(descriptor);
}

Arrival::~Arrival() {
  if (state_ != State::kHandedOn) downstream_.limits().leave(facts_.direct_peer);
}

void Arrival::start() {
  const auto& settings = downstream_.settings();
  if (settings.is_trusted_proxy && settings.is_trusted_proxy(facts_.direct_peer)) {
    state_ = State::kProxyHeader;
  } else if (!tls_) {
    speak_http();
    return;
  }
  timer_.arm(downstream_.loop().now() + settings.handshake);
  transport_->want_input(true);
}

void Arrival::on_input() {
  if (transport_->at_end()) {
    bury();
    return;
  }
  if (state_ == State::kProxyHeader) take_proxy_header();
  if (state_ == State::kFirstByte) take_first_byte();
}

void Arrival::take_proxy_header() {
  const auto header = http::parse_proxy_header(as_text(transport_->input()));
  if (!header) {
    bury();
    return;
  }
  if (header->state == http::ProxyHeader::State::kIncomplete) return;
  if (header->state == http::ProxyHeader::State::kComplete) {
    transport_->consume(header->bytes);
    if (header->has_addresses) {
      facts_.peer = Address::from_sockaddr(reinterpret_cast<const sockaddr*>(&header->source), sizeof header->source);
    }
  }
  state_ = State::kFirstByte;
  if (!tls_) speak_http();
}

void Arrival::take_first_byte() {
  const auto input = transport_->input();
  if (input.empty()) return;
  if (input.front() != kTlsHandshakeRecord && as_text(input).front() >= 'A' && as_text(input).front() <= 'Z') {
    // nginx's answer to a browser that was given the wrong scheme: a sentence rather than a dead line.
    refusal_ = std::make_unique<const Error>(
        make_error(Reason::kBadRequestLine, "plain HTTP was sent to the HTTPS port: use https://"));
    facts_.is_tls = false;
    speak_http();
    return;
  }
  // Only who has begun to talk takes a place among the handshakes.
  transport_->want_input(false);
  state_ = State::kAwaitingTurn;
  downstream_.await_handshake(*this);
}

void Arrival::on_turn() {
  state_ = State::kHandshake;
  auto ssl = tls_->accept(this);
  if (!ssl) {
    end_handshake(Reason::kInternal);
    bury();
    return;
  }
  transport_->start_tls(std::move(ssl));
}

void Arrival::on_certificate_ready() {
  if (state_ == State::kHandshake) transport_->continue_handshake();
}

void Arrival::on_connected() {
  end_handshake(Reason::kOk);
  const auto& engine = *transport_->tls();
  facts_.tls_version = engine.version();
  facts_.tls_resumed = engine.is_resumed();
  facts_.server_name = engine.server_name();
  speak_http();
}

void Arrival::end_handshake(Reason result) {
  const auto* engine = transport_->tls();
  downstream_.observer().on_handshake(engine && result == Reason::kOk ? engine->version() : std::string_view{},
                                      engine && result == Reason::kOk && engine->is_resumed(), result);
  downstream_.end_handshake();
  state_ = State::kOver;
}

void Arrival::speak_http() {
  timer_.disarm();
  state_ = State::kHandedOn;
  facts_.peer_ip = facts_.peer.ip();
  const auto& is_trusted = downstream_.settings().is_trusted_proxy;
  facts_.is_trusted_proxy = is_trusted && is_trusted(facts_.peer);
  auto connection = std::make_unique<Http1Connection>(downstream_, service_, std::move(transport_), std::move(facts_),
                                                      std::move(refusal_));
  auto& http = *connection;
  downstream_.add(std::move(connection));
  downstream_.bury(*this);
  http.start();
}

void Arrival::on_failed(const Error& error) {
  if (state_ == State::kHandshake) end_handshake(error.reason);
  bury();
}

void Arrival::on_timer() {
  if (state_ == State::kHandshake) end_handshake(Reason::kHandshakeTimeout);
  bury();
}

void Arrival::bury() {
  if (state_ == State::kHandedOn || !DownstreamConnection::is_linked()) return;
  if (state_ == State::kHandshake) end_handshake(Reason::kShuttingDown);
  state_ = State::kOver;
  if (HandshakeTurn::is_linked()) HandshakeTurn::unlink();
  timer_.disarm();
  transport_->close();
  downstream_.bury(*this);
}

}  // namespace hybridge
