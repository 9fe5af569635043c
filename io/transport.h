// A byte stream to one peer over TCP, with or without TLS: the one type that connections talk to, whatever the driver.
//
// Owned by a connection; its loop's thread only. Input is handed up as views: into the loop's shared buffer while the
// call lasts, then (what was not consumed) into memory of its own. Output is gathered and flushed once at the end of
// the turn, or at once when much of it has come together. Back-pressure: who does not want input is not read from;
// who writes looks at pending_output(). Knows no deadlines but reports when the peer takes no more.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/chunk.h"
#include "base/clock.h"
#include "base/error.h"
#include "io/address.h"
#include "io/driver.h"
#include "io/tls_engine.h"

namespace hybridge {

class Loop;
struct RingWatch;

class Transport : public ReadyHook, public FlushHook, public HandshakeHook {
 public:
  // More than this queued: writers wait until it has fallen below half of it. Bytes.
  static constexpr std::size_t kHighWater = 256 * 1024;

  // Called from the loop only, never from within a call of the user's own.
  struct User {
    virtual void on_connected() = 0;                 // connected, and the TLS handshake complete if there is one
    virtual void on_input() = 0;                     // input() has grown, or at_end() became true
    virtual void on_writable() = 0;                  // pending_output() has fallen below half of kHighWater
    virtual void on_blocked() = 0;                   // the peer takes no more for now (start a deadline)
    virtual void on_shut_down() = 0;                 // behind shutdown_output(): all output and the FIN are sent
    virtual void on_failed(const Error& error) = 0;  // reset, hang-up, TLS fault; nothing comes after it
    virtual void on_flushing() {}                    // behind flush_later(): what is written now goes out with the rest
    virtual void on_peer_done() {}                   // see watch_end()

   protected:
    ~User() = default;
  };

  Transport(Loop& loop, User& user);
  void set_user(User& user) { user_ = &user; }  // a connection that changes its protocol hands its transport on
  ~Transport();
  Transport(const Transport&) = delete;

  // Takes an accepted descriptor; on_connected() comes at once (from start_tls or the loop) or after the handshake.
  void open(int descriptor);
  // Begins a connection; failure comes as on_failed (kUpstreamConnectFailed), also when it fails at once.
  void connect(const Address& address);
  // Before any output: what follows is TLS. Input that is there already (behind a PROXY header) is given to it.
  // A server's handshake begins when the ClientHello comes, a client's when it is connected.
  void start_tls(UniqueSsl ssl);
  // After a certificate was waited for (TlsEngine::Step::kNeedsCertificate).
  void continue_handshake();

  std::span<const std::uint8_t> input() const { return input_; }
  void consume(std::size_t bytes);
  bool at_end() const { return at_end_ && input_.empty(); }  // FIN or close_notify came, and all before it was taken
  bool at_end_of_bytes() const { return at_end_; }           // the same, but input() may still hold some of them
  bool has_unread_input() const { return readiness_.readable; }  // in the kernel, as far as is known
  // The end came without TLS's close_notify: whoever frames by the end must not trust it (RFC 8446 6.1).
  bool is_truncated() const { return is_truncated_; }
  void want_input(bool wanted);
  // While watched, on_peer_done() tells (once) of the peer's FIN as soon as the kernel has it, though input is not
  // wanted and whatever lies unread before it. Whoever begins to watch asks is_peer_done() first.
  void watch_end(bool watched) { watches_end_ = watched; }
  bool is_peer_done() const { return readiness_.peer_done || at_end_; }
  // Hands input that was left over to the user again (in a later turn), as if it had just arrived.
  void deliver_again();

  void write(std::span<const std::uint8_t> bytes);
  std::size_t pending_output() const { return output_.size() + staged_size_; }
  // Of bytes_sent(), what the peer's kernel has acknowledged: what went on, however much the kernels buffer. Asks ours.
  std::uint64_t bytes_taken() const;
  TimePoint last_progress() const { return last_progress_; }  // when the peer last took output
  void flush();                                               // now, instead of at the end of the turn
  void flush_later();                                         // at the end of the turn, also when nothing is written
  void shutdown_output();                                     // FIN (with TLS: close_notify first) behind all output
  void close();                                               // at once; no call of the user follows
  void close_with_reset();                                    // at once, and the peer learns it was not an end

  bool is_open() const { return descriptor_ >= 0; }
  bool is_connected() const { return is_connected_; }
  int descriptor() const { return descriptor_; }
  TlsEngine* tls() { return tls_.get(); }
  const TlsEngine* tls() const { return tls_.get(); }
  std::uint64_t bytes_received() const { return bytes_received_; }  // on the wire
  std::uint64_t bytes_sent() const { return bytes_sent_; }          // given to the kernel, as they go on the wire

  // For the loop and its driver.
  struct Readiness {  // what the epoll driver knows of the descriptor
    bool readable = false;
    bool writable = false;
    bool peer_done = false;  // a FIN is in the receive queue, behind whatever is there
  };
  Readiness& readiness() { return readiness_; }
  RingWatch*& ring_watch() { return ring_watch_; }  // what the ring driver knows of it
  ChunkQueue& output() { return output_; }
  bool wants_input() const { return wants_input_ && !at_end_; }
  bool is_connecting() const { return is_connecting_; }
  void driver_connected(int error);
  void driver_received(std::span<const std::uint8_t> bytes);
  void driver_end();
  void driver_peer_done();                    // a FIN is in the receive queue
  void driver_progressed(std::size_t bytes);  // this much output went out
  void driver_sent();                         // the peer takes output again
  void driver_blocked();
  void driver_failed(int error);
  void driver_deliver();  // left-over input is wanted again, or a failure is to be told
  bool has_deferred() const { return deliver_again_ || broken_ != 0; }
  int broken() const { return broken_; }
  // A server may refuse an upload with an answer and a reset: what it said before the reset is read first, when it is
  // wanted. A client that resets is gone at once.
  bool reads_before_failing() const { return is_client_ && is_connected_ && !at_end_; }
  void driver_send_failed(int error);
  void flush_from_loop();  // and tells the user what has come of it
  void loop_handshake();

 private:
  void take(std::span<const std::uint8_t> plain);
  void keep_rest();
  void encrypt_staged();
  void advance_handshake();
  void read_tls();
  void fail(const Error& error);
  void finish_shutdown();
  void drop_output();

  Loop& loop_;
  User* user_;
  int descriptor_ = -1;
  Readiness readiness_;
  RingWatch* ring_watch_ = nullptr;
  bool is_connecting_ : 1 = false;
  bool is_connected_ : 1 = false;
  bool is_client_ : 1 = false;
  bool wants_input_ : 1 = false;
  bool watches_end_ : 1 = false;
  bool at_end_ : 1 = false;
  bool deliver_again_ : 1 = false;
  bool is_truncated_ : 1 = false;
  bool taking_ : 1 = false;       // on_input() is on the stack
  bool was_blocked_ : 1 = false;  // output once stood above the high-water mark: tell when it has fallen
  bool shutdown_wanted_ : 1 = false;
  bool shutdown_done_ : 1 = false;
  bool shutdown_told_ : 1 = false;
  int broken_ = 0;  // errno of a send that failed, to be told from the loop

  std::span<const std::uint8_t> input_;
  std::vector<std::uint8_t> kept_;  // input that was left over
  ChunkQueue output_;
  Chunk* staged_ = nullptr;  // plaintext of the record being gathered
  std::size_t staged_size_ = 0;
  std::unique_ptr<TlsEngine> tls_;
  TimePoint last_progress_{};
  std::uint64_t bytes_received_ = 0;
  std::uint64_t bytes_sent_ = 0;
};

}  // namespace hybridge
