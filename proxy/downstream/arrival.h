// A connection that has been accepted and does not speak HTTP yet: a balancer's PROXY header, its turn
// among the handshakes, TLS. Then it hands its transport to the connection of the protocol agreed on.
//
// Owned by Downstream; its loop's thread only; buries itself.
#pragma once

#include <memory>

#include "base/timer_wheel.h"
#include "io/transport.h"
#include "proxy/downstream/downstream.h"
#include "proxy/downstream/stream.h"
#include "tls/server_context.h"

namespace hybridge {

class Arrival final : public DownstreamConnection,
                      private Transport::User,
                      private Timer::Owner,
                      private Downstream::HandshakeTurn,
                      private HandshakeListener {
 public:
  // `tls`: nullptr for a listener without. `facts`: its place and who is at the other end. `refusal`: a limit the
  // connection is over, told to its first request.
  Arrival(Downstream& downstream, Service& service, ServerContext* tls, int descriptor, ClientFacts facts,
          std::unique_ptr<const Error> refusal);

  // `is_behind_proxy`: it must begin with a PROXY header, and come from a trusted proxy. Whether it does is never
  // guessed: a client behind a balancer that sends none could write one itself.
  void start(bool is_behind_proxy);

  void drain() override {}  // who came before the listeners closed is served
  void close_tunnels() override {}
  void close_now() override { bury(); }

 private:
  enum class State : std::uint8_t { kProxyHeader, kFirstByte, kAwaitingTurn, kHandshake, kHandedOn, kOver };

  void on_connected() override;
  void on_input() override;
  void on_writable() override {}
  void on_blocked() override {}
  void on_shut_down() override {}
  void on_failed(const Error& error) override;
  void on_timer() override;
  void on_turn() override;
  void on_crowded_out() override { on_timer(); }
  void on_certificate_ready() override;

  void take_proxy_header();
  void become_client(const Address& client);
  void take_first_byte();
  void refuse(const Error& error);
  void give_up(Reason reason);
  void end_handshake(Reason result);
  void speak_http();
  template <class Connection>
  void begin();
  void bury();

  Downstream& downstream_;
  Service& service_;
  ServerContext* tls_;
  std::unique_ptr<Transport> transport_;
  Timer timer_;
  ClientFacts facts_;
  std::unique_ptr<const Error> refusal_;
  State state_ = State::kFirstByte;
};

}  // namespace hybridge
