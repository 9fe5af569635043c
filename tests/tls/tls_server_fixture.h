// A worker's TLS server for tests: a store in memory, an executor and a worker that run when they are told to.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/test_certificates.h"
#include "tests/support/tls_pair.h"
#include "tls/certificate_cache.h"
#include "tls/certificate_table.h"
#include "tls/server_context.h"

namespace hybridge::test {

class Listener final : public HandshakeListener {
 public:
  void on_certificate_ready() override { ++ready; }
  int ready = 0;
};

class TlsServerTest : public testing::Test {
 protected:
  using Step = TlsEngine::Step;
  using Work = std::vector<std::function<void()>>;

  static void run(Work& work) {
    while (!work.empty()) {
      for (auto& each : std::exchange(work, {})) each();
    }
  }
  void run_all() {
    while (!loads_.empty() || !posted_.empty()) {
      run(loads_);
      run(posted_);
    }
  }

  std::unique_ptr<ServerContext> make_context(const ServerOptions& options = {}) {
    auto context = ServerContext::make(options, cache_, [this](std::function<void()> work) {
                     posted_.push_back(std::move(work));
                   }).value();
    context->set_table(table_);
    context->set_default(default_);
    return context;
  }
  void store(const std::string& name, PemPairs pairs, std::uint64_t version = 1) {
    const auto certificate = parse_certificate(pairs).value();
    table_ = std::make_shared<const CertificateTable>(
        table_->with(name, CertificateTable::describe(name, *certificate, version)));
    store_[name] = std::move(pairs);
    if (context_) context_->set_table(table_);
  }
  void store(const std::string& name, std::uint64_t version = 1) {
    store(name, {root_.issue({.names = {name}})}, version);
  }

  // As far as it goes, loads included.
  bool shake_hands(TlsPair& tls) {
    if (tls.shake_hands()) return true;
    while (tls.server_step == Step::kNeedsCertificate) {
      run_all();
      tls.server_step = tls.server.handshake({});
      if (tls.finish()) return true;
    }
    return false;
  }
  TlsPair connect(const std::string& name, SSL_SESSION* session = nullptr, ServerContext* context = nullptr) {
    return {client_of(client_.get(), name, session), (context ? context : context_.get())->accept(&listener_)};
  }
  // The common name that a client of `name` is shown; or the client's error.
  std::string shown(const std::string& name) {
    auto tls = connect(name);
    return shake_hands(tls) ? peer_of(tls.client.engine().ssl()) : tls.client.engine().error().detail;
  }
  void client_speaks(int version) {
    SSL_CTX_set_min_proto_version(client_.get(), version);
    SSL_CTX_set_max_proto_version(client_.get(), version);
  }

  TestAuthority root_{"Root"};
  std::map<std::string, PemPairs> store_;
  std::map<std::string, int> reads_;
  std::vector<std::string> failures_;
  Work loads_;
  Work posted_;
  CertificateCache cache_{[this](const std::string& name) -> Result<PemPairs> {
                            ++reads_[name];
                            const auto found = store_.find(name);
                            if (found == store_.end()) return make_error(Reason::kNotFound, "not in the store");
                            return found->second;
                          },
                          [this](std::function<void()> work) { loads_.push_back(std::move(work)); },
                          {.loads = 2},
                          [this](const std::string& name, const Error&) { failures_.push_back(name); }};
  std::shared_ptr<const CertificateTable> table_ = std::make_shared<const CertificateTable>();
  std::shared_ptr<const Certificate> default_ = root_.certificate({.names = {"default.example"}});
  Listener listener_;
  std::unique_ptr<ServerContext> context_ = make_context();
  SslPtr<SSL_CTX> client_ = any_client();
};

}  // namespace hybridge::test
