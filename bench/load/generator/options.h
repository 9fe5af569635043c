// What one run of the generator was asked for; made by main() from the command line, const afterwards.
#pragma once

#include <netinet/in.h>
#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

namespace hybridge::bench {

using Clock = std::chrono::steady_clock;

// closed: each connection sends its next request when the answer to the last has come.
// open:   requests are due at a fixed rate, whatever the answers do; latency counts from when they were due.
// idle:   each connection does one request and then stays open until standard input ends.
enum class Mode { closed, open, idle };

struct Options {
  Mode mode = Mode::closed;
  sockaddr_in target{};
  bool is_tls = false;
  std::string ciphersuites = "TLS_AES_128_GCM_SHA256";  // the one that is offered, so that all peers do the same work
  std::string groups = "X25519";
  std::string host;
  std::string path = "/";
  std::size_t upload = 0;  // bytes of the request's body; 0: a GET
  int expected_status = 200;
  std::size_t expected_length = 0;
  int connections = 64;
  int streams = 0;                  // HTTP/2 with so many requests at once on each connection; 0: HTTP/1.1
  int requests_per_connection = 0;  // 0: no end
  bool resumes = false;             // every connection but the first few resumes a session; not doing so is an error
  double rate = 0;                  // of Mode::open, a second
  Clock::duration warm_up{};
  Clock::duration length{};
  bool ends_with_input = false;  // the measured time ends when standard input does, if not before
  bool survives_breaks = false;  // connections that break during a request are counted instead of failing the run
  std::vector<pid_t> measured;   // processes whose CPU time is read as the measured time begins and ends
};

}  // namespace hybridge::bench
