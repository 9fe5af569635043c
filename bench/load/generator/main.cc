// The load generator of bench/load: one run of one mode against one address, told by its command line, answered by one
// JSON object on standard output. Exit 1 and a line on standard error when any answer was not as it should be.
#include <arpa/inet.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <exception>
#include <map>
#include <memory>
#include <string>

#include "bench/load/generator/drain.h"
#include "bench/load/generator/load.h"

namespace hybridge::bench {
namespace {

constexpr double kMicro = 1e-3;  // of nanoseconds

Clock::duration seconds(double number) {
  return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(number));
}

sockaddr_in address(const std::string& text) {
  sockaddr_in target{};
  target.sin_family = AF_INET;
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos || inet_pton(AF_INET, text.substr(0, colon).c_str(), &target.sin_addr) != 1) {
    throw std::runtime_error("--target: an IPv4 address and a port, like 127.0.0.1:8443");
  }
  target.sin_port = htons(static_cast<std::uint16_t>(std::stoul(text.substr(colon + 1))));
  return target;
}

Exchange exchange(const Options& options) {
  Exchange made{"", options.host, options.path, options.expected_status, options.expected_length};
  made.request = (options.upload > 0 ? "POST " : "GET ") + options.path + " HTTP/1.1\r\nHost: " + options.host +
                 "\r\nUser-Agent: hybridge-bench/1\r\nAccept: */*\r\n";
  if (options.upload > 0) made.request += "Content-Length: " + std::to_string(options.upload) + "\r\n";
  made.request += "\r\n" + std::string(options.upload, 'u');
  return made;
}

void print(const Totals& totals) {
  const Histogram& latency = totals.latency;
  std::printf("{\"seconds\": %.6f, \"requests\": %llu, \"rate\": %.3f, \"cpu_ns\": %lld, \"bytes\": %zu, ",
              totals.seconds, static_cast<unsigned long long>(totals.requests),
              double(totals.requests) / totals.seconds, static_cast<long long>(totals.cpu), totals.bytes_read);
  std::printf("\"connections\": %llu, \"resumed\": %llu, \"ended\": %llu, \"broken\": %llu, \"unsent\": %llu, ",
              static_cast<unsigned long long>(totals.connections), static_cast<unsigned long long>(totals.resumed),
              static_cast<unsigned long long>(totals.ended), static_cast<unsigned long long>(totals.broken),
              static_cast<unsigned long long>(totals.unsent));
  std::printf("\"latency_us\": {\"count\": %llu, \"p50\": %.1f, \"p90\": %.1f, \"p99\": %.1f, \"max\": %.1f}",
              static_cast<unsigned long long>(latency.count()), double(latency.quantile(0.5)) * kMicro,
              double(latency.quantile(0.9)) * kMicro, double(latency.quantile(0.99)) * kMicro,
              double(latency.longest()) * kMicro);
  if (totals.agreed) {
    const Agreed& agreed = *totals.agreed;
    std::printf(", \"tls\": \"%s %s %s %s\"", agreed.version.c_str(), agreed.cipher.c_str(), agreed.group.c_str(),
                agreed.key.c_str());
  }
  std::printf("}\n");
}

void run(const Options& options) {
  // Ten thousand connections need as many descriptors; and a request that is due shall not wait for the timer's slack.
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
  }
  prctl(PR_SET_TIMERSLACK, 1UL);
  const Exchange made = exchange(options);
  std::unique_ptr<TlsClient> tls;
  if (options.is_tls) tls = std::make_unique<TlsClient>(options);
  Load load(options, made, tls.get());
  const Totals& totals = load.run();
  if (options.mode != Mode::idle) print(totals);
}

int main(int argc, char** argv) {
  Options options;
  std::string target, socket, file;
  double warm_up = 0, length = 0;
  CLI::App app("The load generator of Hybridge's benchmarks");
  app.require_subcommand(1);
  auto* load = app.add_subcommand("load", "requests, and what they took");
  auto* drained = app.add_subcommand("drain", "log lines from a Unix datagram socket into a file");
  const std::map<std::string, Mode> modes{{"closed", Mode::closed}, {"open", Mode::open}, {"idle", Mode::idle}};
  load->add_option("--mode", options.mode)->transform(CLI::CheckedTransformer(modes));
  load->add_option("--target", target, "address:port")->required();
  load->add_flag("--tls", options.is_tls);
  load->add_option("--ciphersuites", options.ciphersuites);
  load->add_option("--host", options.host, "SNI and Host")->required();
  load->add_option("--path", options.path);
  load->add_option("--upload", options.upload, "bytes of the request's body");
  load->add_option("--status", options.expected_status);
  load->add_option("--length", options.expected_length, "of each answer's body")->required();
  load->add_option("--connections", options.connections)->check(CLI::PositiveNumber);
  load->add_option("--streams", options.streams, "HTTP/2, so many requests at once on each connection");
  load->add_option("--requests-per-connection", options.requests_per_connection);
  load->add_flag("--resume", options.resumes, "resume TLS sessions");
  load->add_option("--rate", options.rate, "requests a second, in an open loop");
  load->add_option("--warm-up", warm_up, "seconds before the measured time");
  load->add_option("--seconds", length, "of the measured time");
  load->add_flag("--ends-with-input", options.ends_with_input,
                 "the measured time ends with standard input, if not before");
  load->add_flag("--survives-breaks", options.survives_breaks, "count connections that break during a request");
  load->add_option("--cpu-of", options.measured, "processes whose CPU time is taken")->delimiter(',');
  drained->add_option("socket", socket)->required();
  drained->add_option("file", file)->required();
  CLI11_PARSE(app, argc, argv);

  std::signal(SIGPIPE, SIG_IGN);
  try {
    if (drained->parsed()) drain(socket, file);
    options.target = address(target);
    options.warm_up = seconds(warm_up);
    options.length = seconds(length);
    if (options.mode != Mode::idle && length <= 0) throw std::runtime_error("--seconds: how long?");
    const bool is_simple = options.is_tls && options.upload == 0 && options.requests_per_connection == 0 &&
                           !options.survives_breaks && options.mode != Mode::idle;
    if (options.streams > 0 && !is_simple) {
      throw std::runtime_error("--streams: with --tls, without uploads, for connections that stay");
    }
    if (options.mode == Mode::open && options.rate <= 0) throw std::runtime_error("--rate: how many a second?");
    run(options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "generator: %s\n", error.what());
    return 1;
  }
  return 0;
}

}  // namespace
}  // namespace hybridge::bench

int main(int argc, char** argv) {
  return hybridge::bench::main(argc, argv);
}
