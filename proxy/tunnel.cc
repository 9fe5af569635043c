#include "proxy/tunnel.h"

#include <optional>

#include "base/sibling.h"
#include "base/timer_wheel.h"
#include "proxy/worker.h"

namespace hybridge {

namespace {
// Both directions of a tunnel, and what ends them together.
class Tunnel final : private Timer::Owner, private Stream::GoneListener {
 public:
  Tunnel(Exchange& exchange, UpstreamConnection& upstream)
      : exchange_(exchange),
        upstream_(upstream),
        timer_(exchange.worker.loop().timers(), *this),
        idle_(exchange.worker.config().timeouts.tunnel_idle) {}

  Task<Reason> run() {
    upstream_.start_tunnel();
    exchange_.stream.set_gone_listener(this);
    moved();
    Sibling up;
    up.start(pump_up());
    co_await pump_down();
    co_await up.join();
    // end() may have brought us here: it has to leave this object before the object goes.
    if (is_ending_) co_await has_ended_.wait();
    exchange_.stream.set_gone_listener(nullptr);
    co_return ended_;
  }

 private:
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
      moved();
      if (piece->empty()) {
        exchange_.stream.finish();
        co_return;
      }
      const auto written = co_await exchange_.stream.write_body(*piece);
      if (!written) {
        end(written.error().reason);
        co_return;
      }
    }
  }

  void moved() { timer_.arm(exchange_.worker.loop().now() + idle_); }
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

  Exchange& exchange_;
  UpstreamConnection& upstream_;
  Timer timer_;
  Duration idle_;
  Reason ended_ = Reason::kOk;
  bool is_ending_ = false;
  Waiter has_ended_;
};
}  // namespace

Task<Reason> tunnel(Exchange& exchange, UpstreamConnection& upstream) {
  Tunnel both{exchange, upstream};
  const auto ended = co_await both.run();
  co_return ended;
}

}  // namespace hybridge
