// The making of one connection to one endpoint: waits for its addresses, tries them with a head start for the earlier
// ones (RFC 8305), and ends with the first that is connected, TLS included.
//
// Owned by the coroutine that waits for it; the worker's thread only. What it has not handed over goes with it.
#pragma once

#include <array>
#include <boost/intrusive/list.hpp>
#include <coroutine>
#include <memory>
#include <optional>
#include <vector>

#include "base/error.h"
#include "base/task.h"
#include "base/timer_wheel.h"
#include "proxy/upstream/connection.h"
#include "proxy/upstream/endpoint.h"
#include "proxy/upstream/upstream_tls.h"
#include "routing/snapshot.h"

namespace hybridge {

class Dial final : public boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>,
                   private UpstreamConnection::Owner,
                   private Timer::Owner {
 public:
  using Outcome = Result<std::unique_ptr<UpstreamConnection>>;

  static constexpr auto kHeadStart = std::chrono::milliseconds(250);

  Dial(UpstreamEndpoint& endpoint, std::shared_ptr<const Server> server, UpstreamTls& tls);
  ~Dial();
  Dial(const Dial&) = delete;

  // Once. Errors: kUpstreamUnresolved, kUpstreamConnectFailed, kUpstreamConnectTimeout, kUpstreamTls (of the address
  // tried last), what cancel() was given.
  auto connected() {
    start();
    return Awaiter{*this};
  }
  void cancel(const Error& error);  // the waiting coroutine is resumed inline

  void addresses_changed();  // by the endpoint, when the look-up it was waiting for has ended

 private:
  struct Awaiter {
    Dial& dial;
    bool await_ready() const { return dial.outcome_.has_value(); }
    void await_suspend(std::coroutine_handle<> coroutine) { dial.waiter_.wait().await_suspend(coroutine); }
    Outcome await_resume() { return std::move(*dial.outcome_); }
  };
  using Attempts = std::vector<std::unique_ptr<UpstreamConnection>>;

  void on_connected(UpstreamConnection& connection) override;
  void on_connect_failed(UpstreamConnection& connection, const Error& error) override;
  void on_idle_ended(UpstreamConnection&, UpstreamConnection::IdleEnd) override {}
  void on_tunnel(UpstreamConnection&) override {}
  void on_released(UpstreamConnection&) override {}
  void on_timer() override;

  void start();
  void begin_attempts();
  void attempt_next();
  void finish(Outcome outcome);
  std::unique_ptr<UpstreamConnection> take(UpstreamConnection& connection);
  void bury(std::unique_ptr<UpstreamConnection> connection);
  Error timed_out() const;

  UpstreamEndpoint& endpoint_;
  std::shared_ptr<const Server> server_;
  UpstreamTls& tls_;
  Loop& loop_;
  Timer timer_;
  Waiter waiter_;
  std::optional<Outcome> outcome_;
  std::vector<Address> addresses_;
  std::size_t next_ = 0;
  Attempts attempts_;
  std::optional<Error> last_error_;
  bool is_resolving_ = false;
  TimePoint deadline_ = kNever;
  TimePoint next_attempt_ = kNever;
};

}  // namespace hybridge
