#include "proxy/downstream/listener.h"

#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <utility>

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

void Listener::on_accept(int descriptor, const Address& peer) {
  if (options_.only_own_user && !is_own_user(descriptor)) {
    ::close(descriptor);
    return;
  }
  auto& limits = downstream_.limits();
  auto admission = limits.enter(peer, downstream_.settings().trusts(peer), descriptor);
  if (admission.scarce != Reason::kOk) downstream_.close_longest_idle(admission.scarce);
  std::unique_ptr<const Error> refusal;
  if (admission.over != Reason::kOk) {
    refusal = std::make_unique<const Error>(limits.error(admission.over));
    downstream_.observer().on_refused(peer, *refusal);
    if (!admission.is_told) {
      ::close(descriptor);
      return;
    }
  }
  ClientFacts facts;
  facts.place = std::move(admission.place);
  facts.peer = facts.direct_peer = peer;
  auto arrival =
      std::make_unique<Arrival>(downstream_, service_, options_.tls, descriptor, std::move(facts), std::move(refusal));
  auto& arrived = *arrival;
  downstream_.add(std::move(arrival));
  arrived.start(options_.is_behind_proxy);
}

}  // namespace hybridge
