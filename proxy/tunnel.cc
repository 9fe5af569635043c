#include "proxy/tunnel.h"

#include <optional>

#include "base/sibling.h"
#include "base/timer_wheel.h"
#include "proxy/http/websocket_frames.h"
#include "proxy/unforeseen.h"
#include "proxy/worker.h"

namespace hybridge {

namespace {
// How long a client has to answer our Close.
constexpr auto kGoodbye = std::chrono::seconds(5);

// Both directions of a tunnel, and what ends them together.
class Tunnel final : private Timer::Owner, private Stream::GoneListener, private GateEntry::Interruptible {
 public:
  Tunnel(Exchange& exchange, UpstreamConnection& upstream)
      : exchange_(exchange),
        upstream_(upstream),
        timer_(exchange.worker.loop().timers(), *this),
        close_timer_(exchange.worker.loop().timers(), closing_),
        closing_(*this),
        idle_(exchange.worker.config().timeouts.tunnel_idle),
        is_websocket_(http::equal_ignoring_case(exchange.request().upgrade, "websocket")) {}

  Task<Reason> run() {
    exchange_.stream.set_gone_listener(this);
    exchange_.gate_entry.set_interruptible(this);
    moved();
    Sibling up;
    up.start(contained(pump_up()));
    co_await contained(pump_down());
    co_await up.join();
    // end() may have brought us here: it has to leave this object before the object goes.
    if (is_ending_) co_await has_ended_.wait();
    exchange_.stream.set_gone_listener(nullptr);
    exchange_.gate_entry.set_interruptible(nullptr);
    co_return ended_;
  }

 private:
  Task<void> contained(Task<void> pump) {
    try {
      co_await std::move(pump);
    } catch (const std::exception& thrown) {
      end(unforeseen(thrown).reason);
    }
  }

  Task<void> pump_up() {
    for (;;) {
      const auto piece = co_await exchange_.stream.read_body();
      if (!piece) {
        end(piece.error().reason);
        co_return;
      }
      moved();
      if (piece->empty()) {
        upstream_.shutdown_output();
        co_return;
      }
      if (is_closed_) continue;  // what a client says behind our Close is for nobody
      const auto written = co_await upstream_.write_body(*piece);
      if (!written) {
        end(written.error().reason);
        co_return;
      }
    }
  }

  Task<void> pump_down() {
    for (;;) {
      const auto piece = co_await upstream_.read_body();
      if (!piece) {
        end(piece.error().reason);
        co_return;
      }
      if (is_closed_) co_return;
      moved();
      if (piece->empty()) {
        exchange_.stream.finish();
        co_return;
      }
      const auto part = piece->first(is_closing_ ? frames_.rest_of_frame(*piece) : piece->size());
      if (is_websocket_) frames_.feed(part);
      const auto written = co_await exchange_.stream.write_body(part);
      if (!written) {
        end(written.error().reason);
        co_return;
      }
      if (is_closing_ && frames_.is_between()) {
        say_close();
        co_return;
      }
    }
  }

  void moved() {
    if (!is_closed_) timer_.arm(exchange_.worker.loop().now() + idle_);
  }

  void recall() override {}
  void cut(const Error&) override {}
  void close_tunnel(Duration after) override {
    if (!is_websocket_) return;
    if (after <= Duration::zero()) return begin_close();
    close_timer_.arm(exchange_.worker.loop().now() + after);
  }

  // A Close of ours, between two frames of the server's; then the client has a moment to take its leave.
  void begin_close() {
    is_closing_ = true;
    if (frames_.is_between()) say_close();
  }
  void say_close() {
    if (is_closed_ || ended_ != Reason::kOk) return;
    is_closed_ = true;
    timer_.arm(exchange_.worker.loop().now() + kGoodbye);
    static_cast<void>(exchange_.stream.write_body(http::kCloseServiceRestart));
    exchange_.stream.finish();
    upstream_.shutdown_output();
  }
  void on_timer() override { end(Reason::kTunnelIdle); }
  void on_client_gone() override { end(Reason::kClientGone); }

  // The first end is the reason; it ends the other direction too. Either call may end both, and with them run().
  void end(Reason reason) {
    if (ended_ != Reason::kOk) return;
    ended_ = reason;
    is_ending_ = true;
    exchange_.stream.reset(reason);
    upstream_.abort(make_error(reason, "the tunnel ended"));
    is_ending_ = false;
    has_ended_.resume();  // the last: nothing of this is left when it returns
  }

  struct Closing final : Timer::Owner {
    explicit Closing(Tunnel& its_tunnel) : tunnel(its_tunnel) {}
    void on_timer() override { tunnel.begin_close(); }
    Tunnel& tunnel;
  };

  Exchange& exchange_;
  UpstreamConnection& upstream_;
  Timer timer_;
  Timer close_timer_;
  Closing closing_;
  Duration idle_;
  const bool is_websocket_;
  http::WebSocketFrames frames_;  // of the server
  bool is_closing_ = false;       // as soon as a frame of the server has ended
  bool is_closed_ = false;        // our Close has gone out
  Reason ended_ = Reason::kOk;
  bool is_ending_ = false;
  Waiter has_ended_;
};
}  // namespace

Task<Reason> tunnel(Exchange& exchange, Lease upstream) {
  Tunnel both{exchange, *upstream};
  const auto ended = co_await both.run();
  co_return ended == Reason::kOk ? Reason::kUpgraded : ended;
}

}  // namespace hybridge
