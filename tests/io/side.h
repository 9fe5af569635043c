// One end of a connection in tests of transports: takes what comes, and remembers what it was told. For this folder.
#pragma once

#include <algorithm>
#include <cstddef>
#include <new>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "io/transport.h"
#include "tests/support/loop_runner.h"

namespace hybridge::test {

struct Side final : Transport::User {
  explicit Side(LoopRunner& runner) : transport(runner.loop(), *this) {}
  void on_connected() override {
    ++connected;
    transport.want_input(wants);
    if (!greeting.empty()) transport.write(as_bytes(greeting));
  }
  void on_input() override {
    ++inputs;
    if (throws) throw std::bad_alloc();
    const auto bytes = transport.input();
    const auto count = takes_all ? bytes.size() : std::min<std::size_t>(bytes.size(), takes);
    received += as_text(bytes.first(count));
    transport.consume(count);
    ended = transport.at_end();
    if (wants_once_there_is_some) transport.want_input(true);
    if (stops_after && received.size() >= *stops_after) transport.want_input(false);
  }
  void on_writable() override { ++writable; }
  void on_blocked() override { ++blocked; }
  void on_shut_down() override { ++shut_down; }
  void on_failed(const Error& error) override {
    ++failures;
    failure = error;
  }

  Transport transport;
  int connected = 0;
  int inputs = 0;
  int writable = 0;
  int blocked = 0;
  int shut_down = 0;
  int failures = 0;
  bool ended = false;
  bool wants = true;
  bool wants_once_there_is_some = false;
  bool takes_all = true;
  std::size_t takes = 0;
  bool throws = false;
  std::optional<std::size_t> stops_after;
  std::string greeting;  // written when it is connected
  std::string received;
  std::optional<Error> failure;
};

// Bytes of which each part is unlike its neighbours.
inline std::string pattern(std::size_t count) {
  std::string bytes(count, ' ');
  for (std::size_t i = 0; i < count; ++i) bytes[i] = static_cast<char>('a' + (i * 31 + i / 997) % 26);
  return bytes;
}

}  // namespace hybridge::test
