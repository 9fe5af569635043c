// An address that clients connect to, on one worker: admits connections within the limits and lets them arrive.
//
// Owned by a Worker (or the admin side); its loop's thread only.
#pragma once

#include "io/acceptor.h"
#include "proxy/downstream/downstream.h"
#include "proxy/downstream/stream.h"
#include "tls/server_context.h"

namespace hybridge {

class Listener final : private Acceptor::User {
 public:
  struct Options {
    ServerContext* tls = nullptr;  // nullptr: plain
    bool only_own_user = false;    // Unix sockets: root's processes and those of our own user, nobody else
    bool is_behind_proxy = false;  // every connection begins with a PROXY header, and comes from a trusted proxy
  };

  // Takes the descriptor of Acceptor::listen().
  Listener(Downstream& downstream, Service& service, int descriptor, Options options);

  void start() { acceptor_.start(); }
  void pause() { acceptor_.pause(); }  // until start(); who connects meanwhile waits
  void stop() { acceptor_.stop(); }    // who has connected already is still taken

  Address local() const { return acceptor_.local(); }
  int descriptor() const { return acceptor_.descriptor(); }

 private:
  void on_accept(int descriptor, const Address& peer) override;
  void on_accept_failed(int error) override { downstream_.observer().on_accept_failed(error); }

  Downstream& downstream_;
  Service& service_;
  Options options_;
  Acceptor acceptor_;
};

}  // namespace hybridge
