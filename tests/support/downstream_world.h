// The client side of a worker, alone: a listener on loopback, a loop in the test's thread, and a service whose answers
// the test writes itself, call by call, or leaves to a coroutine.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/downstream/client_limits.h"
#include "proxy/downstream/downstream.h"
#include "proxy/downstream/listener.h"
#include "proxy/downstream/stream.h"
#include "proxy/http/message.h"
#include "tests/support/loop_runner.h"
#include "tests/support/scripted_server.h"
#include "tests/support/tls_connection.h"

namespace hybridge::test {

// Answers of one line.
Task<void> echo(Stream& stream);  // reads the body, then 200 `<method> <target> <body>`; a fault: its status and detail
Task<void> ignore(Stream& stream);  // 200 `ignored`, without a look at the body

// What a story is made of, for tests that hold its stream themselves.
http::ResponseHead head_of(int status, http::Framing framing = {});
http::Framing length(std::uint64_t bytes);
http::Framing chunked();
http::Framing until_close();
void answer(Stream& stream, int status, std::string_view body);  // with its length; small ones
Task<Result<std::string>> read_piece(Stream& stream);
Task<Result<std::string>> read_all(Stream& stream);
Task<Result<bool>> write_piece(Stream& stream, std::string piece);  // true
Task<Result<bool>> write_for_ever(Stream& stream);                  // until it fails

struct Departed final : Stream::GoneListener {
  void on_client_gone() override { ++times; }
  int times = 0;
};

class DownstreamWorld final : private Service, private DownstreamObserver {
 public:
  struct Options {
    DownstreamSettings settings{};
    std::uint32_t connections = 10'000;
    ServerContext* tls = nullptr;
    bool is_behind_proxy = false;
    ClientLimits::Settings per_address{};  // its `connections` are those above
  };

  explicit DownstreamWorld(Options options) : DownstreamWorld(std::move(options), std::make_unique<LoopRunner>()) {}
  // With a loop that exists already (a ServerContext posts to it).
  DownstreamWorld(Options options, std::unique_ptr<LoopRunner> its_runner);
  ~DownstreamWorld();
  DownstreamWorld(const DownstreamWorld&) = delete;

  std::unique_ptr<ScriptedConnection> connect() { return connect_to(runner, address); }
  TlsConnection connect_tls(const std::string& name) { return TlsConnection(runner, address, name); }

  // Requests that come from now on are answered by this; nullptr: by the test.
  void serve_by(Task<void> (*story)(Stream&)) { serve_by_ = story; }

  Service& service() { return *this; }

  // A request that the test answers.
  class Story {
   public:
    explicit Story(Stream& its_stream) : stream(its_stream) {}
    Stream& stream;
    void end() { waiter_.resume(); }  // serve() returns; the story is no more

   private:
    friend class DownstreamWorld;
    Waiter waiter_;
  };
  Story& next_story();  // waits for it
  std::size_t stories_under_way() const { return stories_.size(); }

  struct Handshake {
    std::string version;
    bool resumed;
    Reason result;
  };

  std::unique_ptr<LoopRunner> its_runner;
  LoopRunner& runner;
  ClientLimits limits;
  Downstream downstream;
  Listener listener;
  Address address;
  int opened = 0;
  int closed = 0;
  int tunnels = 0;
  std::vector<Reason> refused;
  std::size_t idle_closed = 0;
  int served = 0;  // requests that reached the service
  std::vector<Handshake> handshakes;

 private:
  static ClientLimits::Settings limits_of(const Options& options);
  static int listen_somewhere();
  Task<void> serve(Stream& stream) override;
  void on_opened(DownstreamProtocol) override { ++opened; }
  void on_tunnel() override { ++tunnels; }
  void on_refused(const Address&, const Error& error) override { refused.push_back(error.reason); }
  void on_idle_closed(Reason, std::size_t count) override { idle_closed += count; }
  void on_closed(DownstreamProtocol) override { ++closed; }
  void on_handshake(std::string_view version, bool resumed, Reason result) override {
    handshakes.push_back({std::string(version), resumed, result});
  }
  void on_accept_failed(int error) override { ADD_FAILURE() << "accept: errno " << error; }

  Task<void> (*serve_by_)(Stream&) = nullptr;
  std::deque<Story*> new_stories_;
  std::vector<Story*> stories_;
};

}  // namespace hybridge::test
