#include "proxy/downstream/arrival.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "proxy/downstream/http1_connection.h"
#include "proxy/downstream/http2_connection.h"
#include "proxy/http/proxy_protocol.h"

namespace hybridge {

namespace {
constexpr std::uint8_t kTlsHandshakeRecord = 0x16;  // RFC 8446 5.1
constexpr std::size_t kMostOfHello = 32 * 1024;

// HTTP/2 chooses late what goes next (RFC 9218). What the kernel has not sent yet is chosen already, and it may keep
// megabytes of it for a client that was quick and is slow now.
void limit_unsent(int descriptor) {
  constexpr int kMost = 128 * 1024;  // bytes; with that it has enough to do until it asks for more
  setsockopt(descriptor, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &kMost, sizeof kMost);
}

// Is the ClientHello whole, in however many records it came (RFC 8446 4 and 5.1)? What is none, OpenSSL refuses at
// once.
bool is_hello_whole(std::span<const std::uint8_t> input) {
  constexpr std::size_t kRecordHead = 5;
  constexpr std::size_t kMessageHead = 4;
  constexpr std::size_t kMostOfRecord = 16 * 1024;
  constexpr std::uint8_t kClientHello = 1;
  std::array<std::uint8_t, kMessageHead> head{};
  std::size_t gathered = 0;
  while (input.size() >= kRecordHead) {
    const std::size_t length = std::size_t{input[3]} << 8 | input[4];
    if (input[0] != kTlsHandshakeRecord || input[1] != 3 || length == 0 || length > kMostOfRecord) return true;
    const auto piece = input.subspan(kRecordHead, std::min(length, input.size() - kRecordHead));
    for (std::size_t i = 0; i < piece.size() && gathered + i < kMessageHead; ++i) head[gathered + i] = piece[i];
    gathered += piece.size();
    if (gathered > 0 && head[0] != kClientHello) return true;
    const std::size_t message = std::size_t{head[1]} << 16 | std::size_t{head[2]} << 8 | head[3];
    if (gathered >= kMessageHead && gathered >= kMessageHead + message) return true;
    if (piece.size() < length) return false;
    input = input.subspan(kRecordHead + length);
  }
  return false;
}
}  // namespace

Arrival::Arrival(Downstream& downstream, Service& service, ServerContext* tls, int descriptor, ClientFacts facts,
                 std::unique_ptr<const Error> refusal)
    : downstream_(downstream),
      service_(service),
      tls_(tls),
      transport_(std::make_unique<Transport>(downstream.loop(), static_cast<Transport::User&>(*this))),
      timer_(downstream.loop().timers(), *this),
      facts_(std::move(facts)),
      refusal_(std::move(refusal)) {
  facts_.is_tls = tls != nullptr;
  transport_->open(descriptor);
}

void Arrival::start(bool is_behind_proxy) {
  if (is_behind_proxy) {
    if (!downstream_.settings().trusts(facts_.direct_peer)) {
      refuse(make_error(Reason::kBadProxyHeader,
                        "it came to a listener of listen.proxy_protocol, but not from one of "
                        "trusted_proxies"));
      return;
    }
    state_ = State::kProxyHeader;
  } else if (!tls_) {
    speak_http();
    return;
  }
  timer_.arm(downstream_.loop().now() + downstream_.settings().handshake);
  transport_->want_input(true);
}

void Arrival::on_input() {
  if (state_ == State::kProxyHeader) take_proxy_header();
  if (state_ == State::kFirstByte) take_first_byte();
  const bool awaits_more = state_ == State::kProxyHeader || state_ == State::kFirstByte;
  if (awaits_more && transport_->at_end_of_bytes()) give_up(Reason::kBadHandshake);
}

// It has not said enough to begin with, and will not.
void Arrival::give_up(Reason reason) {
  const bool is_hello = state_ == State::kFirstByte && !transport_->input().empty();
  if (is_hello) downstream_.observer().on_handshake({}, false, reason);
  bury();
}

void Arrival::take_proxy_header() {
  const auto header = http::parse_proxy_header(as_text(transport_->input()));
  if (!header) {
    refuse(header.error());
    return;
  }
  switch (header->state) {
    case http::ProxyHeader::State::kIncomplete:
      return;
    case http::ProxyHeader::State::kAbsent:
      refuse(
          make_error(Reason::kBadProxyHeader, "it began without a PROXY header, which listen.proxy_protocol demands"));
      return;
    case http::ProxyHeader::State::kComplete:
      break;
  }
  transport_->consume(header->bytes);
  if (header->has_addresses) {
    become_client(Address::from_sockaddr(reinterpret_cast<const sockaddr*>(&header->source), sizeof header->source));
  }
  state_ = State::kFirstByte;
  if (!tls_) speak_http();
}

void Arrival::become_client(const Address& client) {
  facts_.peer = client;
  auto& limits = downstream_.limits();
  const auto over = limits.move(facts_.place, client, downstream_.settings().trusts(client));
  if (over == Reason::kOk) return;
  refusal_ = std::make_unique<const Error>(limits.error(over));
  downstream_.observer().on_refused(client, *refusal_);
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
  // Nobody has more to say before he is answered; it would wait here with those that wait for their turn.
  if (input.size() > kMostOfHello) {
    refuse(make_error(Reason::kBadHandshake, "more than 32 KiB came before the handshake began"));
    return;
  }
  // Only who has said all he has to say takes a place among the handshakes: a slow one waits here, and costs his bytes.
  if (!is_hello_whole(input)) return;
  if (!downstream_.limits().may_shake_hands(facts_.place, downstream_.loop().now())) {
    refuse(downstream_.limits().error(Reason::kTooManyHandshakesFromAddress));
    return;
  }
  transport_->want_input(false);
  state_ = State::kAwaitingTurn;
  downstream_.await_handshake(*this);
}

// Before anything was said that could be answered.
void Arrival::refuse(const Error& error) {
  downstream_.observer().on_refused(facts_.peer, error);
  transport_->consume(transport_->input().size());
  if (tls_) {
    // RFC 8446 6: an alert needs no handshake. The client knows that it was turned away, not lost.
    constexpr std::uint8_t kAccessDenied[] = {21, 3, 3, 0, 2, 2, 49};
    transport_->write(kAccessDenied);
    transport_->flush();
  }
  bury();
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
  if (engine.alpn() == "h2") {
    auto* certificate = SSL_get_certificate(engine.ssl());
    if (certificate && X509_up_ref(certificate) == 1) facts_.certificate.reset(certificate);
  }
  speak_http();
}

void Arrival::end_handshake(Reason result) {
  const auto* engine = transport_->tls();
  downstream_.observer().on_handshake(engine && result == Reason::kOk ? engine->version() : std::string_view{},
                                      engine && result == Reason::kOk && engine->is_resumed(), result);
  downstream_.end_handshake(*this);
  state_ = State::kOver;
}

void Arrival::speak_http() {
  timer_.disarm();
  state_ = State::kHandedOn;
  facts_.peer_ip = facts_.peer.ip();
  facts_.is_trusted_proxy = downstream_.settings().trusts(facts_.peer);
  // By ALPN only: there is no upgrade to HTTP/2, and none is begun by its preface in clear text (RFC 9113 3.2, 3.3).
  const auto* engine = transport_->tls();
  if (engine && engine->alpn() == "h2") {
    limit_unsent(transport_->descriptor());
    begin<Http2Connection>();
  } else {
    begin<Http1Connection>();
  }
}

template <class Connection>
void Arrival::begin() {
  auto made = std::make_unique<Connection>(downstream_, service_, std::move(transport_), std::move(facts_),
                                           std::move(refusal_));
  auto& connection = *made;
  downstream_.add(std::move(made));
  downstream_.bury(*this);
  connection.start();
}

void Arrival::on_failed(const Error& error) {
  if (state_ == State::kHandshake) end_handshake(error.reason);
  bury();
}

void Arrival::on_timer() {
  if (state_ == State::kProxyHeader && !transport_->input().empty()) {
    refuse(make_error(Reason::kBadProxyHeader, "its PROXY header was not complete within timeouts.handshake"));
    return;
  }
  if (state_ == State::kHandshake) end_handshake(Reason::kHandshakeTimeout);
  give_up(Reason::kHandshakeTimeout);
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
