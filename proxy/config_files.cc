// check_files(): what the configuration points to, looked at without changing anything.
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <system_error>

#include "base/ssl_ptr.h"
#include "proxy/access_log.h"
#include "proxy/config.h"
#include "proxy/http/error_page.h"
#include "tls/certificate.h"

namespace hybridge {
namespace {

namespace fs = std::filesystem;

class FileCheck {
 public:
  explicit FileCheck(const Config& config) : config_(config) {}

  std::vector<std::string> faults() && { return std::move(faults_); }

  void certificate(const std::string& key, const Config::CertificateFiles& files) {
    if (files.chain.empty()) return;
    PemPair pair;
    const bool has_chain = read(key + ".chain", files.chain, pair.chain);
    const bool has_key = read(key + ".key", files.key, pair.key);
    if (!has_chain || !has_key) return;
    if (const auto certificate = parse_certificate({pair}); !certificate) {
      fault(key + ".chain", files.chain + " and " + files.key + ": " + certificate.error().detail);
    }
  }

  void ciphers() {
    if (config_.tls.ciphers.empty()) return;
    const SslPtr<SSL_CTX> context(SSL_CTX_new(TLS_server_method()));
    if (!context || SSL_CTX_set_cipher_list(context.get(), config_.tls.ciphers.c_str()) != 1) {
      fault("tls.ciphers", '"' + config_.tls.ciphers + "\" names no cipher that OpenSSL has");
    }
    ERR_clear_error();
  }

  void trusted_authorities() {
    // The default bundle may be missing where no server is spoken to over TLS.
    const auto& path = config_.upstream.tls.ca;
    if (!was_given("upstream.tls.ca") && !exists(path)) return;
    const SslPtr<X509_STORE> store(X509_STORE_new());
    if (!store || X509_STORE_load_file(store.get(), path.c_str()) != 1) {
      fault("upstream.tls.ca", path + ": " + (exists(path) ? "holds no certificate in PEM" : std::strerror(ENOENT)));
    }
    ERR_clear_error();
  }

  void pages() {
    if (const auto loaded = http::Pages::load(config_.pages_dir); !loaded) fault("pages_dir", loaded.error().detail);
  }

  // Directories are made at start where they are missing, so what counts is the nearest one that is there.
  void directory(const char* key, const fs::path& wanted) {
    std::error_code error;
    auto nearest = wanted.empty() ? fs::path(".") : wanted;
    while (!fs::exists(nearest, error) && nearest.has_relative_path()) nearest = nearest.parent_path();
    if (nearest.empty()) nearest = ".";
    if (!fs::is_directory(nearest, error)) return fault(key, nearest.string() + ": is not a directory");
    if (::access(nearest.c_str(), W_OK | X_OK) != 0) fault(key, nearest.string() + ": " + std::strerror(errno));
  }

  void file_to_write(const char* key, const std::string& path) {
    // Without the key in the file nobody has asked for it, and the service does without.
    if (path.empty() || !was_given(key) || standard_stream(path) >= 0) return;
    std::error_code error;
    if (!fs::exists(path, error)) return directory(key, fs::path(path).parent_path());
    if (fs::is_directory(path, error)) return fault(key, path + ": " + std::strerror(EISDIR));
    if (::access(path.c_str(), W_OK) != 0) fault(key, path + ": " + std::strerror(errno));
  }

  void socket_to_make(const char* key, const std::string& path) {
    if (!path.empty() && was_given(key)) directory(key, fs::path(path).parent_path());
  }

 private:
  bool was_given(const std::string& key) const {
    const auto origin = config_.origins.find(key);
    return origin != config_.origins.end() && !origin->second.empty();
  }

  static bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

  void fault(const std::string& key, const std::string& message) {
    const auto prefix = was_given(key) ? config_.origins.find(key)->second + ": " : std::string();
    faults_.push_back(prefix + key + ": " + message);
  }

  bool read(const std::string& key, const std::string& path, std::string& text) {
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rbe"), std::fclose);
    char piece[4096];
    while (file && text.size() <= Certificate::kMaxPemBytes) {
      const auto bytes = std::fread(piece, 1, sizeof piece, file.get());
      if (bytes == 0) break;
      text.append(piece, bytes);
    }
    if (file && !std::ferror(file.get())) return true;
    fault(key, path + ": " + std::strerror(errno));
    return false;
  }

  const Config& config_;
  std::vector<std::string> faults_;
};

}  // namespace

std::vector<std::string> check_files(const Config& config) {
  FileCheck check(config);
  check.directory("state_dir", config.state_dir);
  check.certificate("default_certificate", config.default_certificate);
  check.certificate("upstream.tls.certificate", config.upstream.tls.certificate);
  check.ciphers();
  check.trusted_authorities();
  check.pages();
  check.file_to_write("access_log.path", config.access_log.path);
  check.socket_to_make("admin.socket", config.admin.socket);
  return std::move(check).faults();
}

}  // namespace hybridge
