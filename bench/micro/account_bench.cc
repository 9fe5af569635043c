// What is done at the end of every request: the log line and the counters. And rules, at its beginning.
#include <benchmark/benchmark.h>

#include "proxy/counters.h"
#include "proxy/log_format.h"
#include "routing/rule_matcher.h"

namespace hybridge {
namespace {

ExchangeRecord record() {
  ExchangeRecord record;
  record.start_ms = 1'700'000'000'123;
  record.request_id = "0123456789abcdef0123456789abcdef";
  record.site = "acme.example.com";
  record.host = "erp.acme.com";
  record.client = "198.51.100.77";
  record.method = "GET";
  record.target = "/app/todo?status=Open";
  record.protocol = "HTTP/1.1";
  record.status = 200;
  record.tls_version = "TLSv1.3";
  record.server = "f1.example.com";
  record.endpoint = "203.0.113.7:80";
  record.bytes_out = 1024;
  record.timings = {.head = 12,
                    .hold = ExchangeRecord::kNone,
                    .queue = 0,
                    .connect = ExchangeRecord::kNone,
                    .first_byte = 1'234,
                    .total = 1'300};
  record.revision = 41;
  record.user_agent = "Mozilla/5.0 (X11; Linux x86_64; rv:120.0) Gecko/20100101 Firefox/120.0";
  record.referer = "https://erp.acme.com/app";
  return record;
}

void write_lines(benchmark::State& state, Config::LogFormat kind) {
  LogFormat format(kind);
  const auto of = record();
  for (auto _ : state) benchmark::DoNotOptimize(format.line(of));
}
void BM_LogLineJson(benchmark::State& state) {
  write_lines(state, Config::LogFormat::kJson);
}
void BM_LogLineFrappe(benchmark::State& state) {
  write_lines(state, Config::LogFormat::kFrappe);
}
BENCHMARK(BM_LogLineJson);
BENCHMARK(BM_LogLineFrappe);

void BM_CountRequest(benchmark::State& state) {
  WorkerCounters counters;
  const auto of = record();
  for (auto _ : state) {
    counters.request_began();
    counters.request_ended(of);
  }
}
BENCHMARK(BM_CountRequest);

// As many rules as the argument, none of which matches.
void BM_MatchRules(benchmark::State& state) {
  Rules rules;
  for (int i = 0; i < state.range(0); ++i) {
    const auto number = std::to_string(i);
    rules.push_back(std::make_shared<const Rule>(Rule{
        "r" + number,
        static_cast<std::uint32_t>(i),
        {{RuleCondition::Field::kPath, "", "^/secret-" + number + "/"}, {RuleCondition::Field::kMethod, "", "POST"}},
        RuleDenial{}}));
  }
  Faults faults;
  const auto matcher = RuleMatcher::make(rules, faults);
  for (auto _ : state) {
    matcher->begin();
    matcher->host("erp.acme.com");
    matcher->path("/app/todo");
    matcher->method("GET");
    benchmark::DoNotOptimize(matcher->matches().size());
  }
}
BENCHMARK(BM_MatchRules)->Arg(1)->Arg(10)->Arg(100)->Arg(1000);

}  // namespace
}  // namespace hybridge
