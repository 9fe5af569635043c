#include "tests/support/tls_pair.h"

#include <algorithm>
#include <array>

namespace hybridge::test {

std::vector<std::uint8_t> TlsEnd::take_output() {
  std::vector<std::uint8_t> bytes;
  while (!output_.empty()) {
    iovec piece{};
    output_.peek(&piece, 1);
    const auto* begin = static_cast<const std::uint8_t*>(piece.iov_base);
    bytes.insert(bytes.end(), begin, begin + piece.iov_len);
    output_.consume(piece.iov_len);
  }
  return bytes;
}

TlsEngine::Step TlsEnd::handshake(std::span<const std::uint8_t> bytes) {
  rest_.insert(rest_.end(), bytes.begin(), bytes.end());
  engine_.feed(rest_);
  const auto step = engine_.handshake();
  const auto left = engine_.input();
  rest_ = std::vector<std::uint8_t>(left.begin(), left.end());
  return step;
}

std::string TlsEnd::read(std::span<const std::uint8_t> bytes, TlsEngine::Step& step) {
  rest_.insert(rest_.end(), bytes.begin(), bytes.end());
  engine_.feed(rest_);
  std::string plain;
  std::array<std::uint8_t, 5'000> some;  // smaller than a record
  for (;;) {
    const auto read = engine_.read(some);
    plain.append(reinterpret_cast<const char*>(some.data()), read.bytes);
    step = read.step;
    if (step != TlsEngine::Step::kDone) break;
  }
  const auto left = engine_.input();
  rest_ = std::vector<std::uint8_t>(left.begin(), left.end());
  return plain;
}

bool TlsPair::shake_hands(std::size_t piece) {
  client_step = client.handshake({});
  return finish(piece);
}

bool TlsPair::finish(std::size_t piece) {
  using Step = TlsEngine::Step;
  const auto advance = [&](TlsEnd& from, TlsEnd& to, Step& step) {
    const auto bytes = from.take_output();
    if (to.engine().is_handshake_complete()) {
      to.read(bytes, step);  // tickets
      return !bytes.empty();
    }
    std::span<const std::uint8_t> left(bytes);
    do {
      const auto some = left.first(std::min(piece, left.size()));
      left = left.subspan(some.size());
      step = to.handshake(some);
    } while (!left.empty() && step == Step::kNeedsInput);
    if (!left.empty() && step == Step::kDone) to.read(left, step);
    return !bytes.empty();
  };
  for (bool moving = true; moving;) {
    moving = advance(client, server, server_step);
    moving = advance(server, client, client_step) || moving;
  }
  return client.engine().is_handshake_complete() && server.engine().is_handshake_complete();
}

std::string TlsPair::to_server(std::string_view plain, std::size_t piece) {
  return carry(client, server, server_step, plain, piece);
}

std::string TlsPair::to_client(std::string_view plain, std::size_t piece) {
  return carry(server, client, client_step, plain, piece);
}

std::string TlsPair::carry(TlsEnd& from, TlsEnd& to, TlsEngine::Step& step, std::string_view plain, std::size_t piece) {
  from.engine().write({reinterpret_cast<const std::uint8_t*>(plain.data()), plain.size()});
  const auto bytes = from.take_output();
  std::string received;
  for (std::size_t at = 0; at < bytes.size();) {
    const auto count = std::min(piece, bytes.size() - at);
    received += to.read(std::span(bytes).subspan(at, count), step);
    at += count;
  }
  return received;
}

SslPtr<SSL_CTX> any_client() {
  SslPtr<SSL_CTX> context(SSL_CTX_new(TLS_client_method()));
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_NONE, nullptr);
  return context;
}

UniqueSsl client_of(SSL_CTX* context, const std::string& name, SSL_SESSION* session) {
  UniqueSsl ssl(SSL_new(context));
  if (!name.empty()) SSL_set_tlsext_host_name(ssl.get(), name.c_str());
  if (session) SSL_set_session(ssl.get(), session);
  SSL_set_connect_state(ssl.get());
  return ssl;
}

std::string peer_of(SSL* client) {
  const SslPtr<X509> peer(SSL_get1_peer_certificate(client));
  if (!peer) return {};
  char text[256] = "";
  X509_NAME_get_text_by_NID(X509_get_subject_name(peer.get()), NID_commonName, text, sizeof text);
  return text;
}

}  // namespace hybridge::test
