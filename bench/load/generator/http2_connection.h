// HTTP/2: a number of requests at once, each answered by itself. Frames and HPACK are nghttp2's.
#pragma once

#include <nghttp2/nghttp2.h>

#include <deque>
#include <memory>
#include <vector>

#include "bench/load/generator/connection.h"

namespace hybridge::bench {

class Http2Connection final : public Connection {
 public:
  using Connection::Connection;
  ~Http2Connection() override { close(); }

  void ask(Clock::time_point due) override;
  void begin() override;
  bool next_answer(Clock::time_point& due) override;

 private:
  struct Callbacks;
  // A request under way; reused.
  struct Stream {
    Clock::time_point due{};
    int status = 0;
    std::size_t length = 0;
  };
  struct SessionFree {
    void operator()(nghttp2_session* session) const { nghttp2_session_del(session); }
  };

  void send() override;
  void take(std::string_view bytes) override;
  bool is_asking() const override { return under_way_ > 0; }
  bool has_answers() const override { return !answered_.empty(); }
  void begin_again() override;
  void submit(Clock::time_point due);

  std::unique_ptr<nghttp2_session, SessionFree> session_;
  std::vector<std::unique_ptr<Stream>> streams_;
  std::vector<Stream*> free_;
  std::deque<Clock::time_point> waiting_;   // until the connection is open
  std::deque<Clock::time_point> answered_;  // that next_answer() has not told yet
  std::size_t under_way_ = 0;
  std::string output_;
  std::size_t sent_ = 0;  // of the output
  bool is_begun_ = false;
  std::string fault_;
};

}  // namespace hybridge::bench
