// A request and its response on an HTTP/1 connection: takes the framing off the request's body and puts it on the
// response's.
//
// Lent by Downstream to an Http1Connection for one request at a time and then reused; its loop's thread only.
#pragma once

#include "io/loop.h"
#include "proxy/downstream/stream.h"
#include "proxy/http/body_decoder.h"
#include "proxy/http/http1_writer.h"

namespace hybridge {

class Http1Connection;

class Http1Stream final : public Stream, public Buried {
 public:
  // Begins a request: `head_` has been parsed into. `fault`: it must be refused.
  void begin(Http1Connection& connection, TimePoint began, std::optional<Error> fault);
  void end();  // the story is over; nothing of it is kept but memory
  http::RequestHead& head() { return head_; }

  const http::RequestHead& request() const override { return head_; }
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
  int status() const override { return status_; }
  bool is_gone() const override { return gone_.has_value(); }
  bool is_body_read() const override { return decoder_.is_done(); }
  std::uint64_t bytes_in() const override { return bytes_in_; }
  std::uint64_t bytes_out() const override { return bytes_out_; }

  // For the connection.
  bool is_finished() const { return finished_; }
  bool is_tunnel() const { return is_tunnel_; }
  bool keeps_alive() const { return keep_alive_; }
  bool is_reading() const { return reading_; }  // somebody waits for input
  bool is_held() const { return is_held_; }
  void on_input() { resume_reader(); }
  void on_writable() { resume_writer(); }
  void on_gone(const Error& error);    // every wait ends
  void fail_read(const Error& error);  // the body will not come (too slow)

 private:
  bool poll_body(Result<Bytes>& piece) override;
  void append_body(Bytes piece) override;
  bool poll_writable(Result<void>& outcome) override;
  bool poll_tunnel(Result<Bytes>& piece);
  bool decode(Result<Bytes>& piece);
  void send_continue_if_awaited();
  bool sends_chunks() const { return sends_body_ && response_framing_.kind == http::Framing::Kind::kChunked; }
  bool discard_body_at_hand();

  Http1Connection* connection_ = nullptr;
  http::RequestHead head_;
  http::BodyDecoder decoder_;
  http::Framing response_framing_;
  std::optional<Error> fault_;
  std::optional<Error> gone_;
  std::optional<Error> read_failure_;
  TimePoint began_{};
  std::uint64_t bytes_in_ = 0;
  std::uint64_t bytes_out_ = 0;
  int status_ = 0;
  bool finished_ = false;
  bool keep_alive_ = false;
  bool is_tunnel_ = false;
  bool is_held_ = false;
  bool continue_sent_ = false;
  bool reading_ = false;
  bool sends_body_ = false;
  bool has_trailers_ = false;  // they and the last chunk have gone out
};

}  // namespace hybridge
