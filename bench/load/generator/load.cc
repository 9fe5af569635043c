#include "bench/load/generator/load.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <stdexcept>
#include <string>

#include "bench/load/generator/http1_connection.h"
#include "bench/load/generator/http2_connection.h"

namespace hybridge::bench {
namespace {

constexpr std::uint64_t kInput = ~std::uint64_t{0};  // epoll's tag of standard input
constexpr int kPatience = 10;                        // seconds for what is under way at the end
constexpr std::size_t kOpening = 128;                // connections opened at once by Mode::idle

std::uint64_t nanoseconds(Clock::duration duration) {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(duration).count());
}

std::unique_ptr<Connection> make_connection(const Options& options, const Exchange& exchange, TlsClient* tls) {
  if (options.streams > 0) return std::make_unique<Http2Connection>(exchange, tls);
  return std::make_unique<Http1Connection>(exchange, tls);
}

}  // namespace

Load::Load(const Options& options, const Exchange& exchange, TlsClient* tls)
    : options_(options), tls_(tls), epoll_(epoll_create1(EPOLL_CLOEXEC)) {
  if (epoll_ < 0) throw std::runtime_error("epoll_create1 failed");
  for (int i = 0; i < options.connections; ++i) connections_.push_back(make_connection(options, exchange, tls));
}

Load::~Load() {
  ::close(epoll_);
}

const Totals& Load::run() {
  begin_ = Clock::now() + options_.warm_up;
  end_ = begin_ + options_.length;
  if (options_.mode == Mode::idle || options_.ends_with_input) watch_input();
  switch (options_.mode) {
    case Mode::closed:
      run_closed();
      break;
    case Mode::open:
      run_open();
      break;
    case Mode::idle:
      run_idle();
      break;
  }
  for (const auto& connection : connections_) totals_.bytes_read += connection->bytes_read();
  return totals_;
}

void Load::run_closed() {
  for (std::size_t index = 0; index < connections_.size(); ++index) open(index);
  while (!is_over_) wait_and_advance(is_counting_ ? end_ : begin_);
}

void Load::run_open() {
  // Once for each request that it can have under way; those of one connection apart from each other.
  for (int lane = 0; lane < lanes(); ++lane) {
    for (std::size_t index = 0; index < connections_.size(); ++index) free_.push_back(index);
  }
  const auto interval = std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(1 / options_.rate));
  const auto patience = std::chrono::seconds(kPatience);
  Time due = Clock::now();
  for (Time now = due; now < end_ + patience; now = Clock::now()) {
    watch_clock(now);
    for (; due <= now && due < end_; due += interval) overdue_.push_back(due);
    dispatch();
    if (due >= end_ && is_over_ && overdue_.empty() && under_way_ == 0) break;
    wait_and_advance(due < end_ ? due : (is_over_ ? end_ + patience : end_));
  }
  totals_.unsent = overdue_.size();
  if (under_way_ > 0) throw std::runtime_error(std::to_string(under_way_) + " requests were never answered");
}

void Load::run_idle() {
  std::size_t next = 0;
  while (kept_ < connections_.size()) {
    while (next < connections_.size() && next - kept_ < kOpening) open(next++);
    wait_and_advance(Clock::now() + std::chrono::seconds(kPatience));
    if (is_over_) throw std::runtime_error("standard input ended before all connections stood");
  }
  std::printf("{\"standing\": %zu}\n", kept_);
  std::fflush(stdout);
  while (!is_over_) wait_and_advance(Time::max());
  if (totals_.ended > 0) throw std::runtime_error(std::to_string(totals_.ended) + " idle connections were closed");
}

void Load::watch_input() {
  epoll_event event{EPOLLIN, {.u64 = kInput}};
  if (epoll_ctl(epoll_, EPOLL_CTL_ADD, STDIN_FILENO, &event) != 0) throw std::runtime_error("standard input: no pipe");
}

void Load::open(std::size_t index) {
  Connection& connection = *connections_[index];
  connection.open(options_.target, opened_++, epoll_, index);
  if (options_.mode == Mode::open) return;
  // The latency of a connection's first requests includes the making of the connection.
  for (int lane = 0; lane < lanes(); ++lane) connection.ask(Clock::now());
}

void Load::wait_and_advance(Time until) {
  std::array<epoll_event, 256> events;
  const Time now = Clock::now();
  timespec timeout{};
  if (until > now) {
    const std::uint64_t left = nanoseconds(until - now);
    timeout = {static_cast<time_t>(left / 1'000'000'000), static_cast<long>(left % 1'000'000'000)};
  }
  const int count =
      epoll_pwait2(epoll_, events.data(), events.size(), until == Time::max() ? nullptr : &timeout, nullptr);
  if (count < 0 && errno != EINTR) throw std::runtime_error(std::string("epoll_pwait2: ") + std::strerror(errno));
  if (options_.mode != Mode::idle) watch_clock(Clock::now());
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events[static_cast<std::size_t>(i)];
    if (event.data.u64 != kInput) {
      advance(event.data.u64, event.events);
    } else if (options_.mode == Mode::idle) {
      is_over_ = true;
    } else {
      end_ = Clock::now();
      epoll_ctl(epoll_, EPOLL_CTL_DEL, STDIN_FILENO, nullptr);
    }
  }
}

void Load::advance(std::size_t index, std::uint32_t events) {
  Connection& connection = *connections_[index];
  try {
    switch (connection.advance(events)) {
      case Connection::Progress::none:
        break;
      case Connection::Progress::opened:
        opened(connection);
        break;
      case Connection::Progress::answered:
        for (Time due; connection.next_answer(due);) answered(connection, index, due);
        break;
      case Connection::Progress::ended:
        ended(index);
        break;
    }
  } catch (const Broken&) {
    if (!options_.survives_breaks) throw;
    broke(index);
  }
}

void Load::ended(std::size_t index) {
  ++totals_.ended;
  connections_[index]->close();
  // Those that wait in free_ are opened again by their next request.
  if (options_.mode == Mode::closed) open(index);
}

void Load::broke(std::size_t index) {
  ++totals_.broken;
  connections_[index]->close();
  if (options_.mode == Mode::open) {
    --under_way_;
    free_.push_back(index);
  } else {
    open(index);
  }
}

void Load::opened(Connection& connection) {
  if (is_counting_) ++totals_.connections;
  if (tls_ != nullptr) {
    if (!totals_.agreed) totals_.agreed = TlsClient::agreed(connection.ssl());
    if (options_.resumes && connection.was_resumed()) {
      if (is_counting_) ++totals_.resumed;
    } else if (options_.resumes && is_counting_) {
      throw std::runtime_error("a session was not resumed");
    }
  }
  connection.begin();
}

void Load::answered(Connection& connection, std::size_t index, Time due) {
  const Time now = Clock::now();
  if (is_counting_) ++totals_.requests;
  if (due >= begin_ && due < end_) totals_.latency.add(nanoseconds(now - due));
  const bool ends = has_ended_life(connection);
  if (ends) connection.close();
  switch (options_.mode) {
    case Mode::closed:
      if (!connection.is_open()) {
        open(index);
      } else {
        connection.ask(now);
      }
      break;
    case Mode::open:
      --under_way_;
      free_.push_back(index);
      dispatch();
      break;
    case Mode::idle:
      ++kept_;
      break;
  }
}

void Load::dispatch() {
  while (!overdue_.empty() && !free_.empty()) {
    const std::size_t index = free_.back();
    free_.pop_back();
    Connection& connection = *connections_[index];
    const Time due = overdue_.front();
    overdue_.pop_front();
    ++under_way_;
    if (!connection.is_open()) open(index);
    try {
      connection.ask(due);
    } catch (const Broken&) {
      if (!options_.survives_breaks) throw;
      broke(index);
    }
  }
}

bool Load::has_ended_life(const Connection& connection) const {
  return options_.requests_per_connection > 0 && connection.requests_done >= options_.requests_per_connection;
}

void Load::watch_clock(Time now) {
  if (!is_counting_ && !is_over_ && now >= begin_) {
    is_counting_ = true;
    began_ = now;
    cpu_began_ = cpu_of_measured();
  } else if (is_counting_ && now >= end_) {
    is_counting_ = false;
    is_over_ = true;
    totals_.cpu = cpu_of_measured() - cpu_began_;
    totals_.seconds = std::chrono::duration<double>(now - began_).count();
  }
}

// A process's CPU-time clock counts nanoseconds of all its threads, user and system, those that have ended too.
std::int64_t Load::cpu_of_measured() const {
  std::int64_t sum = 0;
  for (const pid_t pid : options_.measured) {
    clockid_t clock = 0;
    timespec time{};
    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &time) != 0) {
      throw std::runtime_error("no CPU time of process " + std::to_string(pid));
    }
    sum += std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
  }
  return sum;
}

}  // namespace hybridge::bench
