// HTTP/1.1: one request at a time.
#pragma once

#include "bench/load/generator/connection.h"

namespace hybridge::bench {

class Http1Connection final : public Connection {
 public:
  using Connection::Connection;
  ~Http1Connection() override { close(); }

  void ask(Clock::time_point due) override;
  void begin() override { send_first(); }
  bool next_answer(Clock::time_point& due) override;

 private:
  enum class State { waiting, idle, exchanging, answered };

  void send() override;
  void send_first();
  void take(std::string_view bytes) override;
  void take_head();
  bool is_asking() const override { return state_ == State::exchanging; }
  bool has_answers() const override { return state_ == State::answered; }
  void begin_again() override { state_ = State::waiting; }

  State state_ = State::waiting;
  Clock::time_point due_{};
  std::size_t sent_ = 0;
  std::string head_;  // of the answer, until it is whole
  bool has_head_ = false;
  bool closes_ = false;  // the answer said so
  std::size_t body_left_ = 0;
};

}  // namespace hybridge::bench
