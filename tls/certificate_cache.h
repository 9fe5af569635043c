// The parsed certificates of the process: loaded at first use on background threads, once for all workers, and given up
// when memory is wanted for others.
//
// One for the process; any thread. A worker asks it only for what it has not used lately itself (ServerContext keeps a
// few at hand), so its lock is off the hot path. What goes is chosen by S3-FIFO: a scan of 100,000 names pushes out
// none that is in use. No negative cache: the table knows all names, and who asks has looked there.
//
// The executor must run, or drop, what it was given before the cache goes.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/error.h"
#include "tls/certificate.h"

namespace hybridge {

// A certificate in the cache. Workers that hold one tell its use, so that the cache knows what is hot without being
// asked.
class CachedCertificate {
 public:
  CachedCertificate(std::string name, std::uint64_t version, std::shared_ptr<const Certificate> certificate)
      : name_(std::move(name)), version_(version), certificate_(std::move(certificate)) {}

  bool is(std::string_view name, std::uint64_t version) const { return version_ == version && name_ == name; }
  const std::string& name() const { return name_; }
  const Certificate& operator*() const { return *certificate_; }

  void used() const {
    // Saturates: what is hot is read by all workers and written by none.
    const auto uses = uses_.load(std::memory_order_relaxed);
    if (uses < kMostUses) uses_.store(static_cast<std::uint8_t>(uses + 1), std::memory_order_relaxed);
  }

 private:
  friend class CertificateCache;
  static constexpr std::uint8_t kMostUses = 3;

  const std::string name_;
  const std::uint64_t version_;
  const std::shared_ptr<const Certificate> certificate_;
  mutable std::atomic<std::uint8_t> uses_ = 0;
};

class CertificateCache {
 public:
  // Reads what is stored under the name; called on the executor's threads, several at a time.
  using Source = std::function<Result<PemPairs>(const std::string& name)>;
  using Executor = std::function<void(std::function<void()>)>;
  // Told on an executor's thread, once; null: it could not be loaded.
  using Ready = std::function<void(std::shared_ptr<const CachedCertificate>)>;
  // For the log; on an executor's thread.
  using Failed = std::function<void(const std::string& name, const Error& error)>;

  struct Limits {
    std::size_t bytes = 256ul << 20;  // of certificates, by Certificate::memory()
    std::size_t loads = 4'096;        // names being loaded, or waiting for it
  };
  struct Counts {
    std::size_t certificates = 0;
    std::size_t bytes = 0;
    std::size_t loading = 0;
    std::uint64_t loads = 0;
    std::uint64_t failures = 0;  // loads without success
    std::uint64_t refused = 0;   // not begun because of Limits::loads
    std::uint64_t evictions = 0;
  };

  CertificateCache(Source source, Executor executor, Limits limits, Failed failed = {});
  CertificateCache(const CertificateCache&) = delete;

  // The certificate if it is here; else null, and `ready` will be told, on another thread. Requests for one name and
  // version are one load. Null and a false `begun`: too many loads are under way.
  std::shared_ptr<const CachedCertificate> find_or_load(std::string_view name, std::uint64_t version, Ready ready,
                                                        bool& begun);
  Counts counts() const;

 private:
  using Node = std::shared_ptr<const CachedCertificate>;
  using Queue = std::deque<Node>;  // oldest first

  static std::string key(std::string_view name, std::uint64_t version);
  void load(const std::string& name, std::uint64_t version);
  void insert(const std::string& key, Node node);
  void evict();
  void evict_from_small();
  void evict_from_main();
  void forget(const Node& node);

  const Source source_;
  const Executor executor_;
  const Limits limits_;
  const Failed failed_;

  mutable std::mutex mutex_;
  std::unordered_map<std::string, Node> nodes_;
  std::unordered_map<std::string, std::vector<Ready>> loading_;
  // S3-FIFO: newcomers pass through a small queue; only what was used meanwhile, or comes back soon, gets into the main
  // one. Ghosts are the keys that lately left the small one.
  Queue small_;
  Queue main_;
  std::deque<std::string> ghosts_;
  std::unordered_map<std::string, std::size_t> ghost_counts_;
  std::size_t small_bytes_ = 0;
  std::size_t bytes_ = 0;
  Counts counts_;
};

}  // namespace hybridge
