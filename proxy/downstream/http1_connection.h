// An HTTP/1 connection of a client: heads out of bytes, one request after the other (pipelined ones answered in
// order), keep-alive, deadlines, and a good end.
//
// Owned by Downstream; its loop's thread only; buries itself when it is over. Between two requests it holds its
// transport and nothing else. How a request is answered is the Service's affair.
#pragma once

#include <memory>

#include "base/timer_wheel.h"
#include "io/transport.h"
#include "proxy/downstream/downstream.h"
#include "proxy/downstream/output_pace.h"
#include "proxy/downstream/pace.h"
#include "proxy/downstream/stream.h"

namespace hybridge {

class Http1Stream;

class Http1Connection final : public DownstreamConnection, private Transport::User, private Timer::Owner {
 public:
  // `refusal`: why every request must be refused (a limit the connection itself is over); nullptr: not.
  Http1Connection(Downstream& downstream, Service& service, std::unique_ptr<Transport> transport, ClientFacts facts,
                  std::unique_ptr<const Error> refusal);
  ~Http1Connection() override;

  void start();  // takes what has arrived already

  void drain() override;
  TimePoint idle_since() const override;
  void close_tunnels() override;
  void close_now() override;
  WaitingOutput waiting_output(TimePoint now) override;
  std::size_t end_resting(TimePoint now) override;

  // For its stream.
  Downstream& downstream() { return downstream_; }
  Transport& transport() { return *transport_; }
  const ClientFacts& facts() const { return facts_; }
  bool may_keep_alive() const;
  void become_tunnel();
  void await_body();                   // the stream waits for input: its pace counts
  void took_body(std::size_t bytes);   // so much of it came
  void abort();                        // the stream was reset
  void watch_departure(bool watched);  // the stream is held: the end of input is the client's leaving

 private:
  enum class State : std::uint8_t { kHead, kServing, kLingering, kOver };

  void on_connected() override {}
  void on_input() override;
  void on_writable() override;
  void on_blocked() override;
  void on_shut_down() override;
  void on_failed(const Error& error) override;
  void on_peer_done() override;
  void on_timer() override;

  void advance();
  bool take_head();
  void await_head();
  bool is_idle() const;
  void on_serving_timer();
  void end_output(const Error& error);  // the client does not take it
  void begin(std::size_t head_bytes, std::optional<Error> fault);
  Task<void> tell();
  void end_story();
  void linger();
  void bury();
  std::optional<Error> refusal_of(const http::RequestHead& head) const;

  Downstream& downstream_;
  Service& service_;
  std::unique_ptr<Transport> transport_;
  Timer timer_;
  ClientFacts facts_;
  std::unique_ptr<Http1Stream> stream_;  // while serving
  http::HeadScanner scanner_;
  TimePoint head_began_ = kNever;  // the first byte of the head that is coming
  Pace input_pace_;                // of the head that is coming, then of the body
  OutputPace output_pace_;
  TimePoint linger_until_ = kNever;
  std::uint32_t requests_ = 0;
  std::uint32_t head_bytes_ = 0;  // of the head that is coming, when its pace was last looked at
  std::unique_ptr<const Error> refusal_;
  State state_ = State::kHead;
  std::uint8_t empty_lines_ = 0;  // passed over before the head that is awaited
  bool is_advancing_ = false;
  bool is_draining_ = false;
  bool was_tunnel_ = false;
};

}  // namespace hybridge
