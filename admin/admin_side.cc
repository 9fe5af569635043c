#include "admin/admin_side.h"

#include <pthread.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <future>
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
    : config_(config.admin),
      limits_({.connections = kConnections, .connections_per_address = kConnections}),
      downstream_(loop_, settings(), limits_, *this) {}

AdminSide::~AdminSide() {
  stop();
  loop_.destroy_buried();
  if (owns_socket_file_) ::unlink(config_.socket.c_str());
}

Result<void> AdminSide::open(ListeningSockets& inherited) {
  std::string faults;
  const auto add = [&](const std::string& where, const auto& listen) {
    const auto name = "admin " + where;
    auto adopted = inherited.take(name);
    const auto descriptor = adopted.empty() ? listen() : Result<int>(adopted.front().release());
    if (!descriptor) {
      faults += (faults.empty() ? "" : "\n") + descriptor.error().detail;
      return;
    }
    bound_.emplace_back(*descriptor);
    listening_.emplace_back(name, std::vector{*descriptor});
  };
  for (const auto& address : config_.listen) {
    add(address.to_string(), [&] {
      const auto is_free = Acceptor::check_free(address);
      return is_free ? Acceptor::listen(address) : is_free.error();
    });
  }
  if (!config_.socket.empty()) {
    std::error_code ignored;  // listening says what is wrong
    std::filesystem::create_directories(std::filesystem::path(config_.socket).parent_path(), ignored);
    add(config_.socket, [&] { return Acceptor::listen_unix(config_.socket); });
  }
  if (!faults.empty()) return make_error(Reason::kIo, faults);
  return {};
}

void AdminSide::start(Service& service) {
  owns_socket_file_ = !config_.socket.empty();
  for (std::size_t i = 0; i < bound_.size(); ++i) {
    const bool is_unix = i >= config_.listen.size();
    auto listener = std::make_unique<Listener>(downstream_, service, bound_[i].release(),
                                               Listener::Options{.tls = nullptr, .only_own_user = is_unix});
    listener->start();
    listeners_.push_back(std::move(listener));
  }
  thread_ = std::thread([this] { loop_.run(); });
  pthread_setname_np(thread_.native_handle(), "admin");
}

void AdminSide::pause(Duration patience) {
  const auto gone = std::make_shared<std::promise<void>>();
  loop_.post([this, gone] {
    for (auto& listener : listeners_) listener->pause();
    downstream_.drain([gone] { gone->set_value(); });
  });
  gone->get_future().wait_for(patience);
}

void AdminSide::resume() {
  loop_.post([this] {
    downstream_.resume();
    for (auto& listener : listeners_) listener->start();
  });
}

void AdminSide::retire() {
  owns_socket_file_ = false;
  // What waits in the kernel is the next process's, which has the same sockets.
  loop_.post([this] { listeners_.clear(); });
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
