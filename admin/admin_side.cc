#include "admin/admin_side.h"

#include <pthread.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <utility>

#include "base/process_log.h"
#include "io/acceptor.h"

namespace hybridge {

namespace {
constexpr std::uint32_t kConnections = 256;
constexpr std::uint64_t kBodyBytes = 64u << 20;  // a routing document of 100,000 hosts has 10 MiB

DownstreamSettings settings() {
  DownstreamSettings result;
  result.body_bytes = kBodyBytes;
  return result;
}
}  // namespace

AdminSide::AdminSide(const Config& config)
    : config_(config.admin), limits_(kConnections, kConnections, {}), downstream_(loop_, settings(), limits_, *this) {}

AdminSide::~AdminSide() {
  stop();
  loop_.destroy_buried();
  if (!config_.socket.empty() && !listeners_.empty()) ::unlink(config_.socket.c_str());
}

Result<void> AdminSide::open(Service& service) {
  std::string faults;
  const auto add = [&](const Result<int>& descriptor, bool is_unix) {
    if (!descriptor) {
      faults += (faults.empty() ? "" : "\n") + descriptor.error().detail;
      return;
    }
    listeners_.push_back(std::make_unique<Listener>(downstream_, service, *descriptor,
                                                    Listener::Options{.tls = nullptr, .only_own_user = is_unix}));
    if (!is_unix) addresses_.push_back(listeners_.back()->local());
  };
  for (const auto& address : config_.listen) {
    const auto is_free = Acceptor::check_free(address);
    add(is_free ? Acceptor::listen(address) : is_free.error(), false);
  }
  if (!config_.socket.empty()) {
    std::error_code ignored;  // listening says what is wrong
    std::filesystem::create_directories(std::filesystem::path(config_.socket).parent_path(), ignored);
    add(Acceptor::listen_unix(config_.socket), true);
  }
  if (!faults.empty()) return make_error(Reason::kIo, faults);
  return {};
}

void AdminSide::start() {
  for (auto& listener : listeners_) listener->start();
  thread_ = std::thread([this] { loop_.run(); });
  pthread_setname_np(thread_.native_handle(), "admin");
}

void AdminSide::stop() {
  if (!thread_.joinable()) return;
  loop_.post([this] { downstream_.close_all(); });
  loop_.stop();
  thread_.join();
}

void AdminSide::on_accept_failed(int error) {
  log::warn("the admin listener cannot accept for a moment: {}", std::strerror(error));
}

}  // namespace hybridge
