#include "proxy/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <sstream>
#include <string>

#include "proxy/counters.h"

namespace hybridge {
namespace {

using testing::HasSubstr;

ExchangeRecord answered(std::string_view site, int status, Reason reason = Reason::kOk) {
  ExchangeRecord record;
  record.site = site;
  record.status = status;
  record.reason = reason;
  return record;
}

class MetricsTest : public testing::Test {
 protected:
  WorkerCounters& worker(std::size_t at) { return *workers_.at(at); }

  std::string text() { return metrics_.text(); }

  // The value of the series, which is the line's text before it; "absent" when there is none.
  std::string value(const std::string& series) {
    std::istringstream lines(text());
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with(series + ' ')) return line.substr(series.size() + 1);
    }
    return "absent";
  }

  void end(std::size_t at, const ExchangeRecord& record) {
    worker(at).request_began();
    worker(at).request_ended(record);
  }

  Metrics::Sources sources() {
    return {.version = "0.1.0",
            .revision = "abc",
            .workers = {workers_[0].get(), workers_[1].get()},
            .process = &process_,
            .certificates = [] { return std::size_t{3}; },
            .expiring =
                [](std::size_t) {
                  return std::vector<Metrics::Expiry>{{"erp.acme.com", 1'800'000'000}};
                },
            .access_log_dropped = [] { return std::uint64_t{7}; }};
  }

  std::vector<std::unique_ptr<WorkerCounters>> workers_ = [] {
    std::vector<std::unique_ptr<WorkerCounters>> made;
    made.push_back(std::make_unique<WorkerCounters>());
    made.push_back(std::make_unique<WorkerCounters>());
    return made;
  }();
  ProcessCounters process_;
  Metrics metrics_{sources()};
};

TEST_F(MetricsTest, SumsTheWorkers) {
  end(0, answered("a.test", 200));
  end(1, answered("a.test", 200));
  end(1, answered("a.test", 503));
  EXPECT_EQ(value("hybridge_requests_total{class=\"site\",code=\"200\"}"), "2");
  EXPECT_EQ(value("hybridge_requests_total{class=\"site\",code=\"503\"}"), "1");
  EXPECT_EQ(value("hybridge_requests_by_reason_total{reason=\"ok\"}"), "3");
}

TEST_F(MetricsTest, ClassifiesRequestsByTheirReason) {
  end(0, answered("", 308, Reason::kRedirectToHttps));
  end(0, answered("a.test", 402, Reason::kSuspended));
  end(0, answered("", 400, Reason::kBadHost));
  end(0, answered("a.test", 502, Reason::kUpstreamConnectFailed));
  end(0, answered("a.test", 0, Reason::kClientGone));
  end(0, answered("", 200, Reason::kOwnPage));
  EXPECT_EQ(value("hybridge_requests_total{class=\"redirect\",code=\"308\"}"), "1");
  EXPECT_EQ(value("hybridge_requests_total{class=\"page\",code=\"402\"}"), "1");
  EXPECT_EQ(value("hybridge_requests_total{class=\"client\",code=\"400\"}"), "1");
  EXPECT_EQ(value("hybridge_requests_total{class=\"error\",code=\"502\"}"), "1");
  EXPECT_EQ(value("hybridge_requests_total{class=\"client\",code=\"0\"}"), "1");
  EXPECT_EQ(value("hybridge_requests_total{class=\"own\",code=\"200\"}"), "1");
}

TEST_F(MetricsTest, CountsAnUnheardOfStatusAsNone) {
  end(0, answered("a.test", 600));
  end(0, answered("a.test", -1));
  EXPECT_EQ(value("hybridge_requests_total{class=\"site\",code=\"0\"}"), "2");
}

TEST_F(MetricsTest, CountsRequestsInFlightUntilTheyEndOrBecomeTunnels) {
  worker(0).request_began();
  worker(0).request_began();
  worker(1).request_began();
  EXPECT_EQ(value("hybridge_requests_in_flight"), "3");
  worker(0).request_ended(answered("a.test", 200));
  worker(1).request_upgraded();
  EXPECT_EQ(value("hybridge_requests_in_flight"), "1");
  auto tunnel = answered("a.test", 101, Reason::kUpgraded);
  tunnel.is_tunnel = true;
  worker(1).request_ended(tunnel);
  EXPECT_EQ(value("hybridge_requests_in_flight"), "1");
  EXPECT_EQ(value("hybridge_requests_total{class=\"tunnel\",code=\"101\"}"), "1");
}

TEST_F(MetricsTest, MeasuresDurationsWithoutTheTimeHeld) {
  auto record = answered("a.test", 200);
  record.timings.total = 5'004'000;
  record.timings.hold = 5'000'000;
  end(0, record);
  EXPECT_EQ(value("hybridge_request_duration_seconds_bucket{le=\"0.0025\"}"), "0");
  EXPECT_EQ(value("hybridge_request_duration_seconds_bucket{le=\"0.005\"}"), "1");
  EXPECT_EQ(value("hybridge_request_duration_seconds_bucket{le=\"+Inf\"}"), "1");
  EXPECT_EQ(value("hybridge_request_duration_seconds_count"), "1");
  EXPECT_EQ(value("hybridge_request_duration_seconds_sum"), "0.004");
}

TEST_F(MetricsTest, LeavesTunnelsOutOfDurations) {
  auto record = answered("a.test", 101, Reason::kUpgraded);
  record.is_tunnel = true;
  record.timings.total = 3'600'000'000;
  end(0, record);
  worker(0).upstream_request_ended(Reason::kUpgraded, 3'600'000'000);
  EXPECT_EQ(value("hybridge_request_duration_seconds_count"), "0");
  EXPECT_EQ(value("hybridge_upstream_duration_seconds_count"), "0");
  EXPECT_EQ(value("hybridge_upstream_requests_total{result=\"upgraded\"}"), "1");
}

TEST_F(MetricsTest, FollowsConnectionsThroughTheirLives) {
  worker(0).connection_opened(Side::kDownstream, ConnectionProtocol::kHandshake);
  worker(0).connection_became(Side::kDownstream, ConnectionProtocol::kHandshake, ConnectionProtocol::kHttp1);
  worker(1).connection_opened(Side::kDownstream, ConnectionProtocol::kHttp1);
  EXPECT_EQ(value("hybridge_connections{side=\"downstream\",protocol=\"http1\"}"), "2");
  EXPECT_EQ(value("hybridge_connections{side=\"downstream\",protocol=\"handshake\"}"), "0");
  worker(0).connection_closed(Side::kDownstream, ConnectionProtocol::kHttp1);
  EXPECT_EQ(value("hybridge_connections{side=\"downstream\",protocol=\"http1\"}"), "1");
  EXPECT_EQ(value("hybridge_connections_total{side=\"downstream\"}"), "2");
  worker(0).connection_refused(Reason::kTooManyConnections);
  EXPECT_EQ(value("hybridge_connections_refused_total{reason=\"too_many_connections\"}"), "1");
}

TEST_F(MetricsTest, CountsHandshakesByVersionResumptionAndResult) {
  worker(0).tls_handshake_ended("TLSv1.3", true, Reason::kOk);
  worker(1).tls_handshake_ended("TLSv1.3", true, Reason::kOk);
  worker(0).tls_handshake_ended("TLSv1.2", false, Reason::kBadHandshake);
  worker(0).tls_handshake_ended("", false, Reason::kHandshakeTimeout);
  EXPECT_EQ(value("hybridge_tls_handshakes_total{version=\"TLSv1.3\",resumed=\"true\",result=\"ok\"}"), "2");
  EXPECT_EQ(value("hybridge_tls_handshakes_total{version=\"TLSv1.2\",resumed=\"false\",result=\"failed\"}"), "1");
  EXPECT_EQ(value("hybridge_tls_handshakes_total{version=\"none\",resumed=\"false\",result=\"timeout\"}"), "1");
}

TEST_F(MetricsTest, FollowsUpstreamConnectionsThroughTheirStates) {
  worker(0).upstream_connection_moved(UpstreamState::kNone, UpstreamState::kConnecting);
  worker(0).upstream_connection_moved(UpstreamState::kConnecting, UpstreamState::kActive);
  worker(1).upstream_connection_moved(UpstreamState::kNone, UpstreamState::kIdle);
  EXPECT_EQ(value("hybridge_upstream_connections{state=\"connecting\"}"), "0");
  EXPECT_EQ(value("hybridge_upstream_connections{state=\"active\"}"), "1");
  EXPECT_EQ(value("hybridge_upstream_connections{state=\"idle\"}"), "1");
  worker(1).upstream_connection_moved(UpstreamState::kIdle, UpstreamState::kNone);
  EXPECT_EQ(value("hybridge_upstream_connections{state=\"idle\"}"), "0");
  EXPECT_EQ(value("hybridge_upstream_connections{state=\"none\"}"), "absent");
}

TEST_F(MetricsTest, BelievesTheWorkerThatSpokeWithAServerLast) {
  worker(0).server_seen("f1.test", true, 1'000);
  worker(1).server_seen("f1.test", false, 2'000);
  EXPECT_EQ(value("hybridge_server_up{server=\"f1.test\"}"), "0");
  worker(0).server_seen("f1.test", true, 3'000);
  EXPECT_EQ(value("hybridge_server_up{server=\"f1.test\"}"), "1");
  worker(0).server_removed("f1.test");
  worker(1).server_removed("f1.test");
  EXPECT_EQ(value("hybridge_server_up{server=\"f1.test\"}"), "absent");
}

TEST_F(MetricsTest, GivesBusySitesSeriesOfTheirOwn) {
  end(0, answered("a.test", 200));
  end(1, answered("a.test", 404));
  end(1, answered("a.test", 0, Reason::kClientGone));
  EXPECT_EQ(value("hybridge_site_requests_total{site=\"a.test\",code_class=\"2xx\"}"), "1");
  EXPECT_EQ(value("hybridge_site_requests_total{site=\"a.test\",code_class=\"4xx\"}"), "1");
  EXPECT_EQ(value("hybridge_site_requests_total{site=\"a.test\",code_class=\"none\"}"), "1");
  EXPECT_EQ(value("hybridge_site_requests_total{site=\"_other\",code_class=\"2xx\"}"), "absent");
}

TEST_F(MetricsTest, CountsQuietSitesAsOtherAndLetsNoCounterFall) {
  for (int i = 0; i < 5'000; ++i) end(0, answered("busy.test", 200));
  end(0, answered("quiet.test", 200));
  EXPECT_EQ(value("hybridge_site_requests_total{site=\"quiet.test\",code_class=\"2xx\"}"), "absent");
  EXPECT_EQ(value("hybridge_site_requests_total{site=\"_other\",code_class=\"2xx\"}"), "1");
  // It wakes up: what it did before stays in _other.
  for (int i = 0; i < 10; ++i) end(1, answered("quiet.test", 200));
  EXPECT_EQ(value("hybridge_site_requests_total{site=\"quiet.test\",code_class=\"2xx\"}"), "10");
  EXPECT_EQ(value("hybridge_site_requests_total{site=\"_other\",code_class=\"2xx\"}"), "1");
  EXPECT_EQ(value("hybridge_site_requests_total{site=\"busy.test\",code_class=\"2xx\"}"), "5000");
}

TEST_F(MetricsTest, KeepsASitesSeriesHoweverQuietItGets) {
  end(0, answered("a.test", 200));
  EXPECT_EQ(value("hybridge_site_requests_total{site=\"a.test\",code_class=\"2xx\"}"), "1");
  for (int i = 0; i < 5'000; ++i) end(0, answered("b.test", 200));
  end(0, answered("a.test", 200));
  EXPECT_EQ(value("hybridge_site_requests_total{site=\"a.test\",code_class=\"2xx\"}"), "2");
}

TEST_F(MetricsTest, BoundsTheSeriesOfSites) {
  for (std::size_t i = 0; i < Metrics::kSiteSeries + 50; ++i) {
    end(0, answered("s" + std::to_string(i) + ".test", 200));
  }
  const auto all = text();
  std::size_t series = 0;
  for (auto at = all.find("hybridge_site_requests_total{"); at != std::string::npos;
       at = all.find("hybridge_site_requests_total{", at + 1)) {
    ++series;
  }
  EXPECT_EQ(series, Metrics::kSiteSeries + 1);
  EXPECT_EQ(value("hybridge_site_requests_total{site=\"_other\",code_class=\"2xx\"}"), "50");
}

TEST_F(MetricsTest, TellsOfPublishing) {
  process_.published(42, 1'700'000'000'500, 3'000);
  EXPECT_EQ(value("hybridge_config_revision"), "42");
  EXPECT_EQ(value("hybridge_config_last_publish_success_timestamp_seconds"), "1700000000.5");
  EXPECT_EQ(value("hybridge_publish_duration_seconds_count"), "1");
}

TEST_F(MetricsTest, AsksItsSourcesForTheRest) {
  EXPECT_EQ(value("hybridge_certificates"), "3");
  EXPECT_EQ(value("hybridge_certificate_expiry_timestamp_seconds{host=\"erp.acme.com\"}"), "1800000000");
  EXPECT_EQ(value("hybridge_access_log_dropped_total"), "7");
  EXPECT_EQ(value("hybridge_build_info{version=\"0.1.0\",revision=\"abc\"}"), "1");
}

TEST_F(MetricsTest, CountsRetriesAndBytes) {
  auto record = answered("a.test", 200);
  record.retries = 2;
  record.bytes_in = 10;
  record.bytes_out = 20;
  end(0, record);
  EXPECT_EQ(value("hybridge_upstream_retries_total"), "2");
  EXPECT_EQ(value("hybridge_request_body_bytes_total"), "10");
  EXPECT_EQ(value("hybridge_response_body_bytes_total"), "20");
}

TEST_F(MetricsTest, DescribesEveryFamilyItPromises) {
  const auto all = text();
  for (const std::string name : {"requests_total",
                                 "requests_by_reason_total",
                                 "request_duration_seconds",
                                 "upstream_duration_seconds",
                                 "requests_in_flight",
                                 "connections",
                                 "tls_handshakes_total",
                                 "upstream_connections",
                                 "upstream_requests_total",
                                 "upstream_retries_total",
                                 "server_up",
                                 "site_requests_total",
                                 "config_revision",
                                 "config_last_publish_success_timestamp_seconds",
                                 "publish_duration_seconds",
                                 "certificates",
                                 "certificate_expiry_timestamp_seconds",
                                 "access_log_dropped_total",
                                 "worker_stall_seconds",
                                 "build_info"}) {
    EXPECT_THAT(all, HasSubstr("# HELP hybridge_" + name + ' '));
    EXPECT_THAT(all, HasSubstr("# TYPE hybridge_" + name + ' '));
  }
  for (const std::string name : {"process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds",
                                 "process_max_fds", "process_start_time_seconds"}) {
    EXPECT_NE(value(name), "absent") << name;
  }
}

TEST_F(MetricsTest, MeasuresTheProcess) {
  EXPECT_GT(std::stod(value("process_resident_memory_bytes")), 1e6);
  EXPECT_GE(std::stod(value("process_open_fds")), 3);
  EXPECT_GE(std::stod(value("process_threads")), 1);
  EXPECT_GT(std::stod(value("process_start_time_seconds")), 1.6e9);
}

TEST(SiteCounters, CountFurtherSitesAsOther) {
  const auto counters = std::make_unique<WorkerCounters>();
  for (std::size_t i = 0; i < WorkerCounters::kMaxSites + 3; ++i) {
    counters->request_ended(answered("s" + std::to_string(i), 200));
  }
  EXPECT_EQ(counters->other_sites().by_class[2].value(), 3u);
}

}  // namespace
}  // namespace hybridge
