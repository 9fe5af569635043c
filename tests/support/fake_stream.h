// A request held in memory, and what was answered: a Stream without a connection, for whoever answers streams.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proxy/downstream/stream.h"

namespace hybridge::test {

class FakeStream final : public Stream {
 public:
  struct Request {
    std::string method = "GET";
    std::string target = "/";
    std::vector<std::pair<std::string, std::string>> headers = {};
    std::string body = {};
    std::string peer = "127.0.0.1";  // "unix": the Unix socket
    bool is_tls = false;
    std::size_t piece = 1 << 20;  // bytes that one read gives
    std::optional<Error> fault = {};
    std::optional<Error> body_fault = {};  // the end of the body
    bool is_chunked = false;               // the length is not known
  };

  explicit FakeStream(Request request);

  // What was answered.
  const std::string& body() const { return written_; }
  std::string header(std::string_view name) const;  // of the response; "": none
  bool is_finished() const { return is_finished_; }
  std::optional<Reason> reset_reason() const { return reset_; }
  void leave();                               // the client has gone
  void stop_taking() { is_taking_ = false; }  // writes wait from now on
  void take_again();

  const http::RequestHead& request() const override { return head_; }
  const ClientFacts& client() const override { return client_; }
  const std::optional<Error>& fault() const override { return wanted_.fault; }
  TimePoint began() const override { return {}; }
  void abandon_body() override { is_abandoned_ = true; }
  void write_informational(const http::ResponseHead&) override {}
  void write_head(const http::ResponseHead& head) override;
  void finish() override { is_finished_ = true; }
  void reset(Reason reason) override { reset_ = reason; }
  int status() const override { return status_; }
  bool is_gone() const override { return is_gone_; }
  bool is_body_read() const override { return read_ == wanted_.body.size(); }
  std::uint64_t bytes_in() const override { return read_; }
  std::uint64_t bytes_out() const override { return written_.size(); }

 private:
  bool poll_body(Result<Bytes>& piece) override;
  void append_body(Bytes piece) override { written_.append(as_text(piece)); }
  bool poll_writable(Result<void>& outcome) override;

  Request wanted_;
  http::RequestHead head_;
  ClientFacts client_;
  std::size_t read_ = 0;
  int status_ = 0;
  std::vector<std::pair<std::string, std::string>> headers_;
  std::string written_;
  bool is_finished_ = false;
  bool is_gone_ = false;
  bool is_taking_ = true;
  bool is_abandoned_ = false;
  std::optional<Reason> reset_;
};

}  // namespace hybridge::test
