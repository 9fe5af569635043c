// One fixed sequence of requests through a whole edge, for callgrind to count: `sequence NAME` (guard.py runs it).
//
// One client, one request after the other, one worker: what the worker executes is then the same every time. Counting
// begins and ends on the worker's own thread, behind a publication, when the connections are warm.
#include <gtest/gtest.h>
#include <valgrind/callgrind.h>

#include <cstdio>
#include <future>
#include <optional>
#include <string>
#include <string_view>

#include "routing/snapshot_json.h"
#include "tests/support/edge_world.h"
#include "tests/support/http2_frames.h"
#include "tests/support/origin.h"
#include "tests/support/peer.h"

namespace hybridge::test {
namespace {

constexpr int kWarmUp = 50;
constexpr int kRequests = 200;
constexpr int kHosts = 100'000;
constexpr std::string_view kBodyEnd = "END!";

const std::string kFields =
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:120.0) Gecko/20100101 Firefox/120.0\r\nAccept: text/html\r\n"
    "Accept-Encoding: gzip, deflate, br\r\nAccept-Language: en\r\nConnection: keep-alive\r\n"
    "Cookie: sid=0123456789abcdef; user_id=someone%40example.com; full_name=Some%20One\r\n";

struct Sequence {
  std::string_view name;
  std::string host = "a.test";
  bool with_tls = false;
  bool over_http2 = false;  // with TLS, to a.test; the others above and below do not count
  bool reconnects = false;  // a connection for each request
  std::size_t body = 0;     // bytes of a POST
  int hosts = 0;            // beside the one that is asked for
  std::string_view rules = "[]";
  int status = 200;
};

const Sequence kSequences[] = {
    {.name = "plain"},
    {.name = "tls", .with_tls = true},
    {.name = "http2", .over_http2 = true},
    {.name = "handshake", .with_tls = true, .reconnects = true},
    {.name = "post_16k", .body = 16 * 1024},
    {.name = "unknown_host", .host = "nobody.test", .status = 404},
    {.name = "hosts_100k", .hosts = kHosts},
    {.name = "rules", .rules = R"j([{"id":"a","match":{"path":"^/xmlrpc"},"deny":{}},
                   {"id":"b","match":{"path":"^/login","method":"POST"},"limit":{"requests":1}},
                   {"id":"c","match":{"header":{"user-agent":"(?i)badbot"}},"deny":{}},
                   {"id":"d","match":{"path":"^/api/"},"class":"api"}])j"},
};

std::string request_of(const Sequence& sequence) {
  const auto target = sequence.body > 0 ? "POST /api/method/upload" : "GET /app/some/path?with=query";
  auto request = std::string(target) + " HTTP/1.1\r\nHost: " + sequence.host + "\r\n" + kFields;
  if (sequence.body == 0) return request + "\r\n";
  return request + "Content-Length: " + std::to_string(sequence.body) + "\r\n\r\n" +
         std::string(sequence.body - kBodyEnd.size(), 'x') + std::string(kBodyEnd);
}

// One request after the other over HTTP/2, with the same fields.
class Http2Client {
 public:
  explicit Http2Client(const Address& address) : peer_(Peer::connect_to(address)) {
    EXPECT_TRUE(peer_.start_tls("a.test", nullptr, "\2h2"));
    peer_.send(http2::greeting() + http2::window_update(0, 1 << 30));
  }

  int get() {
    stream_ = stream_ == 0 ? 1 : stream_ + 2;
    peer_.send(http2::headers(stream_, request_));
    int status = 0;
    http2::Frame frame;
    do {
      if (!receive(frame)) return 0;
      if (frame.type == http2::kSettings && (frame.flags & http2::kAck) == 0) {
        peer_.send(http2::frame(http2::kSettings, http2::kAck, 0, {}));
      }
      if (frame.type == http2::kHeaders) status = std::stoi(frame.field(":status"));
    } while (frame.stream != stream_ || !frame.ends_stream());
    return status;
  }

 private:
  bool receive(http2::Frame& frame) {
    const auto head = peer_.receive(9);
    if (head.size() < 9) return false;
    const auto byte = [&](std::size_t at) { return std::size_t(std::uint8_t(head[at])); };
    reader_.add(head);
    reader_.add(peer_.receive(byte(0) << 16 | byte(1) << 8 | byte(2)));
    return reader_.next(frame);
  }

  Peer peer_;
  http2::FrameReader reader_;
  std::uint32_t stream_ = 0;  // of the last request
  const http2::Fields request_ =
      http2::request("GET", "/app/some/path?with=query",
                     {{"user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:120.0) Gecko/20100101 Firefox/120.0"},
                      {"accept", "text/html"},
                      {"accept-encoding", "gzip, deflate, br"},
                      {"accept-language", "en"},
                      {"cookie", "sid=0123456789abcdef; user_id=someone%40example.com; full_name=Some%20One"}});
};

void publish_table(EdgeWorld& world, const Sequence& sequence) {
  const auto rules = read_snapshot(R"({"rules":)" + std::string(sequence.rules) + "}");
  Snapshot::Builder builder(world.snapshot());
  for (const auto& rule : *rules.snapshot.rules()) builder.set_rule(*rule);
  for (int i = 0; i < sequence.hosts; ++i) {
    const auto name = "host-" + std::to_string(i) + ".example.com";
    Host host;
    host.site = "a.test";
    builder.set_host(name, std::move(host));
  }
  world.publish(std::move(builder));
}

// Runs the work on the worker's thread.
void on_worker(EdgeWorld& world, void (*work)()) {
  std::promise<void> done;
  world.edge->publish(std::make_shared<const Snapshot>(world.snapshot()), [&] {
    work();
    done.set_value();
  });
  done.get_future().wait();
}

int run(const Sequence& sequence) {
  const auto answer = ok(std::string(1'024, 'x'), "Date: Mon, 01 Jan 2024 00:00:00 GMT\r\nContent-Type: text/html\r\n");
  Origin origin(answer, sequence.body > 0 ? kBodyEnd : "\r\n\r\n");
  EdgeWorld world;
  world.set_server("f1.test", {origin.address()});
  world.set_site("a.test", "f1.test");
  publish_table(world, sequence);
  std::optional<LoadClient> client;
  std::optional<Http2Client> http2_client;
  if (sequence.over_http2) http2_client.emplace(world.https);
  const auto ask = [&](int times) {
    for (int i = 0; i < times; ++i) {
      if (!http2_client && (!client || sequence.reconnects)) {
        // In steps, so that what the worker finds in one turn does not depend on who is scheduled when.
        if (client) client->say_goodbye();
        client.emplace(sequence.with_tls ? world.https : world.http, request_of(sequence), sequence.with_tls);
        if (sequence.with_tls) client->await_bytes();
      }
      const int status = http2_client ? http2_client->get() : client->get();
      if (status != sequence.status) {
        std::fprintf(stderr, "sequence %s: answered %d\n", std::string(sequence.name).c_str(), status);
        std::exit(1);
      }
    }
  };
  ask(kWarmUp);
  on_worker(world, [] { CALLGRIND_ZERO_STATS; });
  ask(kRequests);
  on_worker(world, [] { CALLGRIND_DUMP_STATS; });
  std::printf("%d requests\n", kRequests);
  return testing::UnitTest::GetInstance()->Failed() ? 1 : 0;
}

}  // namespace
}  // namespace hybridge::test

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  for (const auto& sequence : hybridge::test::kSequences) {
    if (argc == 2 && sequence.name == argv[1]) return hybridge::test::run(sequence);
  }
  std::fprintf(stderr, "usage: sequence NAME, of:");
  for (const auto& sequence : hybridge::test::kSequences) std::fprintf(stderr, " %s", sequence.name.data());
  std::fprintf(stderr, "\n");
  return 2;
}
