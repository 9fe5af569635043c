// TLS towards servers, as their records in the table ask for it.
//
// One per loop that connects to servers; its thread only.
#pragma once

#include <memory>
#include <utility>

#include "proxy/config.h"
#include "proxy/upstream/upstream_tls.h"
#include "tls/client_context.h"

namespace hybridge {

inline ClientOptions client_options(const Config& config, std::shared_ptr<const Certificate> certificate) {
  ClientOptions options;
  options.only_tls13 = config.upstream.tls.min_version == Config::TlsVersion::kTls13;
  options.certificate = std::move(certificate);
  return options;
}

class ServerTlsClient final : public UpstreamTls {
 public:
  explicit ServerTlsClient(std::unique_ptr<ClientContext> context) : context_(std::move(context)) {}

  Result<UniqueSsl> connect(const Server& server) override {
    return context_->connect({.name = server.tls.name.empty() ? server.name : server.tls.name,
                              .ca = server.tls.ca,
                              .endpoint = server.name});
  }

 private:
  std::unique_ptr<ClientContext> context_;
};

}  // namespace hybridge
