// A request and its response on an HTTP/2 connection: keeps what the client sent ahead of the reader, and what the
// response has ahead of the client's windows; both bounded.
//
// Lent by Downstream to an Http2Connection, and then reused; its loop's thread only. It outlives its story as long as
// something of the response waits to be sent, and its session's stream as long as the story goes on.
#pragma once

#include <boost/intrusive/list.hpp>

#include "base/chunk.h"
#include "io/loop.h"
#include "proxy/downstream/pace.h"
#include "proxy/downstream/stream.h"
#include "proxy/http/http2_session.h"

namespace hybridge {

class Http2Connection;

class Http2Stream final
    : public Stream,
      public http::Http2SessionStream,
      public Buried,
      public boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
 public:
  explicit Http2Stream(ChunkPool& chunks) : inbox_(chunks), outbox_(chunks) {}

  void begin(Http2Connection& connection, TimePoint began);  // its head has begun to come
  void start(std::optional<Error> fault, bool has_body);     // the head is there, the story begins
  void end_story() { has_story_ = false; }
  void leave_session() { has_left_session_ = true; }  // which will not speak of it again
  bool has_left_session() const { return has_left_session_; }
  void end();  // nothing of it is kept but memory

  const http::RequestHead& request() const override { return head(); }
  const ClientFacts& client() const override;
  const std::optional<Error>& fault() const override { return fault_; }
  TimePoint began() const override { return began_; }
  void abandon_body() override;
  void write_informational(const http::ResponseHead& head) override;
  void write_head(const http::ResponseHead& head) override;
  void write_trailers(const http::Headers& fields) override;
  void finish() override;
  void reset(Reason reason) override;
  void set_held(bool held) override;
  std::size_t buffered_bytes() const override { return inbox_.size() - handed_; }
  int status() const override { return status_; }  // 101 of a WebSocket, though HTTP/2 calls it 200
  bool is_gone() const override { return gone_.has_value(); }
  bool is_body_read() const override { return is_body_whole_ && inbox_.size() == handed_; }
  std::uint64_t bytes_in() const override { return bytes_in_; }
  std::uint64_t bytes_out() const override { return bytes_out_; }

  // For the connection.
  bool has_story() const { return has_story_; }
  bool is_finished() const { return is_finished_; }
  bool is_tunnel() const { return is_tunnel_; }
  bool is_held() const { return is_held_; }
  void on_data(Bytes data);
  void on_end();  // of the request's body
  void on_gone(const Error& error);
  void on_lost(const Error& error);  // its session has no more of it: the client has left, unless all has been said
  void leave(const Error& error);    // the client sends nothing more of it, and says so by no frame
  void on_drained() { resume_writer(); }
  void check_deadlines(TimePoint now);
  TimePoint next_deadline();
  std::size_t waiting_output() const { return outbox_.size(); }  // bytes
  Duration rested(TimePoint now) const;                          // its client, in all, on what waits here
  void end_output(const Error& error);                           // the client does not take it

 private:
  bool poll_body(Result<Bytes>& piece) override;
  void append_body(Bytes piece) override;
  bool poll_writable(Result<void>& outcome) override;
  std::size_t body_at_hand() const override { return outbox_.size() + passing_.size(); }
  bool is_body_complete() const override { return is_finished_ || (is_length_told_ && bytes_out_ >= length_); }
  void send_piece(std::size_t bytes) override;

  void fail_read(const Error& error);
  bool awaits_body() const { return is_reading_ && !is_tunnel_; }
  void drop_inbox();
  void drop_outbox();
  Result<Bytes> hand_out(Bytes piece);
  bool wait_for_body();
  bool is_last_of_told(std::size_t size) const;
  void send_continue_if_awaited();

  Http2Connection* connection_ = nullptr;
  std::optional<Error> fault_;
  std::optional<Error> gone_;
  std::optional<Error> read_failure_;
  TimePoint began_{};
  Pace body_pace_;
  Pace output_pace_;  // of what is in the outbox: the client opens its window, or does not
  ChunkQueue inbox_;
  ChunkQueue outbox_;
  Bytes arriving_;          // a piece on its way from the session to a reader that waits for it
  Bytes passing_;           // a piece on its way from the story to the session
  std::size_t handed_ = 0;  // of the inbox, lent to the reader
  std::uint64_t bytes_in_ = 0;
  std::uint64_t bytes_out_ = 0;
  std::uint64_t length_ = 0;
  int status_ = 0;
  bool has_story_ = false;
  bool has_left_session_ = false;
  bool is_finished_ = false;
  bool is_tunnel_ = false;
  bool is_held_ = false;
  bool is_length_told_ = false;
  bool is_body_whole_ = false;  // all of the request's body has come
  bool is_window_wide_ = false;
  bool continue_sent_ = false;
  bool is_reading_ = false;
  bool is_blocked_ = false;  // the writer waits
  bool sends_body_ = false;
};

}  // namespace hybridge
