// An HTTP/2 connection of a client: many requests at once over one transport, deadlines, a budget for what a client
// may cost, and a good end (GOAWAY).
//
// Owned by Downstream; its loop's thread only; buries itself when it is over and the last of its stories has ended.
// What is written in a turn goes out in one batch at its end, the most urgent first. How a request is answered is the
// Service's affair.
#pragma once

#include <boost/intrusive/list.hpp>
#include <memory>
#include <vector>

#include "base/timer_wheel.h"
#include "io/transport.h"
#include "proxy/downstream/downstream.h"
#include "proxy/downstream/http2_stream.h"
#include "proxy/downstream/output_pace.h"
#include "proxy/downstream/pace.h"
#include "proxy/downstream/stream.h"
#include "proxy/http/http2_session.h"

namespace hybridge {

class Http2Connection final : public DownstreamConnection,
                              private Transport::User,
                              private Timer::Owner,
                              private http::Http2Session::User {
 public:
  // `refusal`: why every request must be refused (a limit the connection itself is over); nullptr: not.
  Http2Connection(Downstream& downstream, Service& service, std::unique_ptr<Transport> transport, ClientFacts facts,
                  std::unique_ptr<const Error> refusal);
  ~Http2Connection() override;

  void start();  // takes what has arrived already

  void retire() override { begin_drain(); }
  void drain() override { begin_drain(); }
  TimePoint idle_since() const override {
    const bool is_idle = state_ == State::kOpen && drain_ == Drain::kNo && stream_count_ == 0 && requests_ > 0;
    return is_idle && !transport_->has_unread_input() ? idle_since_ : kNever;
  }
  void close_tunnels() override;
  void close_now() override;
  WaitingOutput waiting_output(TimePoint now) override;
  std::size_t end_resting(TimePoint now) override;

  // For its streams.
  Downstream& downstream() { return downstream_; }
  http::Http2Session& session() { return session_; }
  const ClientFacts& facts() const { return facts_; }
  bool is_client_done() const { return is_client_done_; }  // it sends nothing more
  TimePoint now() const { return downstream_.loop().now(); }
  void touch();  // something is to be sent by the end of this turn
  void pump();   // sends it now
  void write(Bytes bytes) override { transport_->write(bytes); }
  void note_drained(Http2Stream& stream) { drained_.push_back(&stream); }  // its writer may go on
  void due(TimePoint deadline);                                            // the timer knows of it
  TimePoint due_after(std::chrono::milliseconds time);
  // Bytes of responses that wait for the client's windows. Too many of them together: no writer goes on.
  void queue(std::size_t bytes) {
    queued_ += bytes;
    downstream_.note_waiting_output();
  }
  void unqueue(std::size_t bytes) { queued_ -= bytes; }
  void note_data(std::size_t bytes) { unseen_data_ += bytes; }  // of an answer, that the windows let go
  bool is_crowded();
  // Bytes of request bodies, as the connection's window and memory see them.
  void keep(std::size_t bytes);                                                // they wait for their reader
  void let_go(std::size_t bytes);                                              // they do not any more
  void discard(std::size_t bytes) { session_.open_connection_window(bytes); }  // they never did

 private:
  enum class State : std::uint8_t { kOpen, kLingering, kOver };
  enum class Drain : std::uint8_t { kNo, kAnnounced, kFinal };
  using Streams = boost::intrusive::list<Http2Stream, boost::intrusive::constant_time_size<false>>;

  void on_connected() override {}
  void on_input() override;
  void on_writable() override;
  void on_blocked() override;
  void on_shut_down() override;
  void on_failed(const Error& error) override;
  void on_flushing() override { pump(); }
  void on_timer() override;
  http::Http2SessionStream* on_stream() override;
  bool takes_output() const override;

  void take_input();
  void settle();
  void tell_event(const http::Http2Session::Event& event);
  void begin_story(Http2Stream& stream, const http::Http2Session::Event& event);
  std::optional<Error> refusal_of(const http::RequestHead& head) const;
  Task<void> tell(Http2Stream& stream);
  void end_story(Http2Stream& stream);
  void release(Http2Stream& stream);
  template <class Act>
  void for_each_stream(Act act);
  void begin_drain();
  void end_drain();
  void on_client_done();
  void check_end();
  void end_for(const Error& error);
  void lose_streams(const Error& error);
  void linger(std::chrono::milliseconds time, bool reads);
  void bury();
  bool is_late(TimePoint now);
  template <class Act>
  void for_each_resting(TimePoint now, Act act);
  Duration transport_rested(TimePoint now) {
    return output_pace_.rested(*transport_, downstream_.output_demand(), now);
  }
  Duration window_rested(TimePoint now);
  std::size_t output_memory() const;
  TimePoint next_deadline();

  Downstream& downstream_;
  Service& service_;
  std::unique_ptr<Transport> transport_;
  Timer timer_;
  ClientFacts facts_;
  std::unique_ptr<const Error> refusal_;
  OutputPace output_pace_;
  Pace window_pace_;               // of the connection's window; see window_rested()
  std::uint64_t unseen_data_ = 0;  // bytes that it let go since that was last asked
  Streams streams_;
  std::size_t stream_count_ = 0;
  std::vector<Http2Stream*> drained_;
  std::size_t queued_ = 0;
  bool is_crowded_ = false;
  std::size_t kept_ = 0;  // bytes of bodies that wait for their readers
  std::size_t owed_ = 0;  // of these, for which the connection's window was not opened
  TimePoint began_;
  TimePoint idle_since_;
  Pace block_pace_;  // of the head that is coming, if more than a frame of it is needed
  TimePoint drain_deadline_ = kNever;
  std::uint32_t requests_ = 0;
  State state_ = State::kOpen;
  Drain drain_ = Drain::kNo;
  bool is_in_block_ = false;
  bool is_settling_ = false;
  bool is_touched_ = false;  // something is to be sent since the last send
  bool is_client_done_ = false;
  http::Http2Session session_;
};

}  // namespace hybridge
