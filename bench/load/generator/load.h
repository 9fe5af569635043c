// Drives the connections as the mode wants, and counts what they do in the measured time.
//
// Made by main(), run once; one thread. CPU time of the measured processes is read here, at the very moments at which
// the counting begins and ends, so that it belongs to these requests and no others.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "bench/load/generator/connection.h"
#include "bench/load/generator/histogram.h"
#include "bench/load/generator/options.h"
#include "bench/load/generator/tls_client.h"

namespace hybridge::bench {

struct Totals {
  double seconds = 0;          // of the measured time
  std::uint64_t requests = 0;  // answered in it
  std::uint64_t connections = 0;
  std::uint64_t resumed = 0;
  std::uint64_t broken = 0;  // during a request, where the options allow that
  std::uint64_t ended = 0;   // by the other side, between two requests
  std::uint64_t unsent = 0;  // due in the measured time, but not sent before we gave up
  std::int64_t cpu = 0;      // nanoseconds of the measured processes, user and system
  std::size_t bytes_read = 0;
  Histogram latency;  // of requests that were due in it
  std::optional<Agreed> agreed;
};

class Load {
 public:
  Load(const Options& options, const Exchange& exchange, TlsClient* tls);
  ~Load();
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

  const Totals& run();

 private:
  using Time = Clock::time_point;

  void run_closed();
  void run_open();
  void run_idle();

  int lanes() const { return options_.streams > 0 ? options_.streams : 1; }  // requests at once on a connection
  void open(std::size_t index);
  void watch_input();
  void wait_and_advance(Time until);
  void advance(std::size_t index, std::uint32_t events);
  void ended(std::size_t index);
  void broke(std::size_t index);
  void opened(Connection& connection);
  void answered(Connection& connection, std::size_t index, Time due);
  void dispatch();
  bool has_ended_life(const Connection& connection) const;
  void watch_clock(Time now);
  std::int64_t cpu_of_measured() const;

  const Options& options_;
  TlsClient* tls_;
  int epoll_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::vector<std::size_t> free_;  // connections without a request, of Mode::open
  std::deque<Time> overdue_;       // requests that wait for one
  std::size_t under_way_ = 0;
  std::size_t kept_ = 0;  // connections that have done their request, of Mode::idle
  unsigned opened_ = 0;
  Time begin_, end_;  // of the measured time
  bool is_counting_ = false;
  bool is_over_ = false;
  Time began_;
  std::int64_t cpu_began_ = 0;
  Totals totals_;
};

}  // namespace hybridge::bench
