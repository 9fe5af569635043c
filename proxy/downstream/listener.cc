#include "proxy/downstream/listener.h"

#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "proxy/downstream/arrival.h"

namespace hybridge {

namespace {
bool is_own_user(int descriptor) {
  ucred peer{};
  socklen_t length = sizeof peer;
  if (getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0) return false;
  return peer.uid == 0 || peer.uid == geteuid();
}
}  // namespace

Listener::Listener(Downstream& downstream, Service& service, int descriptor, Options options)
    : downstream_(downstream), service_(service), options_(options), acceptor_(downstream.loop(), *this, descriptor) {}

std::unique_ptr<const Error> Listener::refusal_for(Reason reason) const {
  const auto& limits = downstream_.limits();
  switch (reason) {
    case Reason::kTooManyConnections:
      return std::make_unique<const Error>(
          make_error(reason, "limits.connections (" + std::to_string(limits.total()) + ") is reached"));
    case Reason::kTooManyConnectionsFromAddress:
      return std::make_unique<const Error>(make_error(
          reason, "limits.connections_per_address (" + std::to_string(limits.per_address()) + ") is reached"));
    default:
      return nullptr;
  }
}

void Listener::on_accept(int descriptor, const Address& peer) {
  if (options_.only_own_user && !is_own_user(descriptor)) {
    ::close(descriptor);
    return;
  }
  auto& limits = downstream_.limits();
  const auto admission = limits.enter(peer);
  if (admission.over != Reason::kOk) downstream_.observer().on_refused(admission.over);
  if (!admission.is_told) {
    limits.leave(peer);
    ::close(descriptor);
    return;
  }
  auto arrival =
      std::make_unique<Arrival>(downstream_, service_, options_.tls, descriptor, peer, refusal_for(admission.over));
  auto& arrived = *arrival;
  downstream_.add(std::move(arrival));
  arrived.start();
}

}  // namespace hybridge
