#include "proxy/default_certificate.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include "base/process_log.h"
#include "tls/self_signed.h"

namespace hybridge {

namespace {
struct Paths {
  std::string chain;
  std::string key;
  bool is_ours = false;  // self-signed, made where it is missing
};

Paths paths_of(const Config& config) {
  if (!config.default_certificate.chain.empty()) {
    return {config.default_certificate.chain, config.default_certificate.key, false};
  }
  return {config.state_dir + "/self-signed.pem", config.state_dir + "/self-signed.key", true};
}

Result<std::string> read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return make_error(Reason::kIo, path + ": " + std::strerror(errno));
  std::string text(std::istreambuf_iterator<char>(file), {});
  if (file.bad()) return make_error(Reason::kIo, path + ": cannot be read");
  return text;
}

// Whole or not at all, and readable by nobody else.
Result<void> write(const std::string& path, const std::string& text) {
  const auto fault = [&] { return make_error(Reason::kIo, path + ": " + std::strerror(errno)); };
  const auto draft = path + ".new";
  const int file = ::open(draft.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0) return fault();
  const bool is_written = ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  const bool is_synced = is_written && ::fsync(file) == 0;
  ::close(file);
  if (!is_synced || ::rename(draft.c_str(), path.c_str()) != 0) return fault();
  return {};
}

Result<void> make(const Config& config, const Paths& paths) {
  std::vector<std::string> names;
  if (!config.server_name.empty()) names.push_back(config.server_name);
  if (!config.domain.empty()) names.insert(names.end(), {config.domain, "*." + config.domain});
  if (names.empty()) names.push_back("localhost");
  const auto pair = make_self_signed(names, std::time(nullptr));
  if (!pair) return pair.error();
  std::error_code ignored;  // writing says what is wrong
  std::filesystem::create_directories(config.state_dir, ignored);
  if (auto written = write(paths.key, pair->key); !written) return written;
  if (auto written = write(paths.chain, pair->chain); !written) return written;
  log::warn("no default_certificate is configured: made a self-signed one, {}", paths.chain);
  return {};
}

std::int64_t changed_at(const std::string& path) {
  struct stat file;
  if (::stat(path.c_str(), &file) != 0) return 0;
  return static_cast<std::int64_t>(file.st_mtim.tv_sec) * 1'000'000'000 + file.st_mtim.tv_nsec;
}
}  // namespace

Result<std::shared_ptr<const Certificate>> DefaultCertificate::load(const Config& config) {
  const auto paths = paths_of(config);
  if (paths.is_ours && (changed_at(paths.chain) == 0 || changed_at(paths.key) == 0)) {
    if (auto made = make(config, paths); !made) return made.error();
  }
  return load_certificate({paths.chain, paths.key});
}

Result<std::shared_ptr<const Certificate>> load_certificate(const Config::CertificateFiles& files) {
  auto chain = read(files.chain);
  if (!chain) return chain.error();
  auto key = read(files.key);
  if (!key) return key.error();
  auto certificate = parse_certificate({PemPair{.chain = std::move(*chain), .key = std::move(*key)}});
  if (!certificate) return make_error(Reason::kInvalid, files.chain + ": " + certificate.error().detail);
  return certificate;
}

DefaultCertificate::Stamp DefaultCertificate::stamp(const Config& config) {
  const auto paths = paths_of(config);
  return {changed_at(paths.chain), changed_at(paths.key)};
}

}  // namespace hybridge
