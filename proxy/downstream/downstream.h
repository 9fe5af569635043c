// The client side of one worker: what all its connections share (settings, limits, buffers), who they are (to drain
// and close them), and whose turn it is to shake hands.
//
// Owned by a Worker (or the admin side); its loop's thread only.
#pragma once

#include <boost/intrusive/list.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/timer_wheel.h"
#include "io/loop.h"
#include "proxy/downstream/client_limits.h"
#include "proxy/downstream/pace.h"
#include "proxy/http/http1_parser.h"

namespace hybridge {

class Http1Stream;
class Http2Stream;
class OutputBound;

struct DownstreamSettings {
  http::HeadLimits head{};
  std::uint64_t body_bytes = 250u << 20;
  std::uint32_t requests_per_connection = 10'000;
  std::uint32_t http2_streams = 128;  // of a connection, under way at once
  std::uint32_t handshakes = 512;     // under way at once
  std::chrono::milliseconds handshake{10'000};
  std::chrono::milliseconds request_head{10'000};
  std::chrono::milliseconds keep_alive{75'000};
  std::chrono::milliseconds spared_idle{5'000};  // who has been idle for less makes no room for others
  std::chrono::milliseconds body_idle{60'000};
  std::chrono::milliseconds write_idle{60'000};
  std::uint64_t waiting_output = 256u << 20;  // bytes of answers that wait for clients, before resting ones are ended
  std::chrono::milliseconds crowded_rest{5'000};  // how long one may rest on them even then
  std::uint32_t min_rate = 240;  // bytes a second that a client must keep up when it is waited for; 0: any
  std::function<bool(const http::RequestHead&)> is_unbounded{};  // its body may be larger; empty: nobody's may
  std::function<bool(const Address&)> is_trusted_proxy{};  // what it says of its clients is believed; empty: nobody

  bool trusts(const Address& peer) const { return is_trusted_proxy && is_trusted_proxy(peer); }
};

// Is this more than the body of that request may have?
inline bool is_too_large(const DownstreamSettings& settings, const http::RequestHead& head, std::uint64_t bytes) {
  return bytes > settings.body_bytes && !(settings.is_unbounded && settings.is_unbounded(head));
}

inline Error body_too_large(const DownstreamSettings& settings) {
  return make_error(Reason::kBodyTooLarge,
                    "the body is larger than limits.body_bytes (" + std::to_string(settings.body_bytes) + " bytes)");
}

enum class DownstreamProtocol : std::uint8_t { kHttp1, kHttp2, kTunnel };

// Told of what happens to connections, for counting.
struct DownstreamObserver {
  virtual void on_opened(DownstreamProtocol protocol) = 0;
  virtual void on_tunnel() = 0;  // an HTTP/1 connection is a tunnel from now on
  virtual void on_closed(DownstreamProtocol protocol) = 0;
  virtual void on_refused(const Address& peer, const Error& error) = 0;  // over a limit, told so or cut
  virtual void on_idle_closed(Reason, std::size_t) {}  // so many, because there is little left of that
  // Of each TLS handshake: `version` as OpenSSL names it ("" when it never got so far); kOk or why it failed.
  virtual void on_handshake(std::string_view version, bool resumed, Reason result) = 0;
  virtual void on_accept_failed(int error) = 0;

 protected:
  ~DownstreamObserver() = default;
};

// A connection as Downstream knows it: something to drain and to close.
class DownstreamConnection
    : public Buried,
      public boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
 public:
  virtual void drain() = 0;  // close when idle, else after the request under way
  // Since when it waits for another request than its first; kNever: it does not.
  virtual TimePoint idle_since() const { return kNever; }
  // Another process takes the new connections from now on. Whoever can tell its client so without losing a request
  // that is on its way does it now (HTTP/2: GOAWAY); HTTP/1 says it with its next answer.
  virtual void retire() {}
  virtual void close_tunnels() = 0;
  virtual void close_now() = 0;  // at once; buries itself

  // The memory of what waits for its client, and for how long that has rested on it in all (see Pace), as far as it is
  // the client's doing.
  struct WaitingOutput {
    std::size_t bytes = 0;
    Duration rested{};
  };
  virtual WaitingOutput waiting_output(TimePoint) { return {}; }
  // Ends what has rested for DownstreamSettings::crowded_rest: others need the memory. Bytes that were given up.
  virtual std::size_t end_resting(TimePoint) { return 0; }
};

class Downstream final : private Timer::Owner {
 public:
  Downstream(Loop& loop, DownstreamSettings settings, ClientLimits& limits, DownstreamObserver& observer);
  ~Downstream();

  Loop& loop() { return loop_; }
  const DownstreamSettings& settings() const { return settings_; }
  void update(DownstreamSettings settings);                             // for what begins from now on
  const Pace::Demand& head_demand() const { return head_demand_; }      // of who sends a head
  const Pace::Demand& body_demand() const { return body_demand_; }      // of who sends a body
  const Pace::Demand& output_demand() const { return output_demand_; }  // of who reads
  Error too_slow_to_send() const;  // kBodyTimeout and kClientTooSlow, in words that name the limits
  Error too_slow_to_take() const;
  Error too_slow_for_a_crowd() const;  // the same of who is ended for others' sake
  void note_waiting_output();          // answers have begun to wait for a client
  ClientLimits& limits() { return limits_; }
  DownstreamObserver& observer() { return observer_; }
  std::string& scratch() { return scratch_; }  // for one head at a time

  void add(std::unique_ptr<DownstreamConnection> connection);  // takes it into its keeping
  void bury(DownstreamConnection& connection);                 // gives it to the loop, to be destroyed
  std::size_t connections() const { return count_; }

  // Each connection ends with its next answer; idle ones stay, for a request may be on its way. `all_gone` is called
  // at the end of the turn in which the last one has gone.
  void retire(std::function<void()> all_gone);
  void close_idle();                           // while retiring: no request is begun but those that are there already
  void drain(std::function<void()> all_gone);  // both
  void resume();                               // connections that came through it go on as if nothing had been
  // Somebody new comes, and there is little room left: of the connections that are idle and not spared a part closes,
  // those that have been idle longest. Called again and again it does so ten times a second.
  void close_longest_idle(Reason scarce);
  bool is_draining() const { return is_draining_; }
  void close_tunnels();
  void close_all();
  // A connection may bury itself in it, or bring about that another one does.
  template <class Act>
  void for_each_connection(Act act) {
    // Who waits for its turn is in a list of its own, which everybody leaves by himself.
    decltype(connections_) waiting;
    waiting.swap(connections_);
    while (!waiting.empty()) {
      auto& connection = waiting.front();
      waiting.pop_front();
      connections_.push_back(connection);
      act(connection);
    }
  }

  // Handshakes: `on_turn` is called now, or when there is room. Whoever has been at it for a second makes room when
  // others wait: slow ones cannot keep everybody out, however many they are. A waiting one that dies unlinks itself.
  struct HandshakeTurn : boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
    virtual void on_turn() = 0;
    virtual void on_crowded_out() = 0;  // must end its handshake

    TimePoint turn_came{};

   protected:
    ~HandshakeTurn() = default;
  };
  void await_handshake(HandshakeTurn& turn);
  void end_handshake(HandshakeTurn& turn);  // one whose turn came

  std::unique_ptr<Http1Stream> take_stream();
  void give_stream(std::unique_ptr<Http1Stream> stream);
  std::unique_ptr<Http2Stream> take_http2_stream();
  void give_stream(std::unique_ptr<Http2Stream> stream);

 private:
  void tell_all_gone();
  void on_timer() override { give_turns(); }
  void give_turns();
  bool make_room();

  Loop& loop_;
  DownstreamSettings settings_;
  Pace::Demand head_demand_;
  Pace::Demand body_demand_;
  Pace::Demand output_demand_;
  ClientLimits& limits_;
  DownstreamObserver& observer_;
  std::string scratch_;
  boost::intrusive::list<DownstreamConnection, boost::intrusive::constant_time_size<false>> connections_;
  using Turns = boost::intrusive::list<HandshakeTurn, boost::intrusive::constant_time_size<false>>;
  Turns waiting_;
  Turns shaking_;             // the oldest first
  Timer room_;                // when the oldest has been at it for long enough
  TimePoint idle_closing_{};  // when idle connections may be closed next
  std::size_t count_ = 0;
  std::uint32_t handshakes_ = 0;
  bool is_giving_turns_ = false;
  bool is_draining_ = false;
  std::function<void()> all_gone_;
  template <class T>
  using AtRest = std::vector<std::unique_ptr<T>>;  // for reuse
  template <class T>
  void rest(AtRest<T>& at_rest, std::unique_ptr<T> stream);
  AtRest<Http1Stream> streams_;
  AtRest<Http2Stream> http2_streams_;
  std::unique_ptr<OutputBound> output_bound_;
};

}  // namespace hybridge
