#include "tls/certificate_cache.h"

#include <algorithm>
#include <utility>

namespace hybridge {

CertificateCache::CertificateCache(Source source, Executor executor, Limits limits, Failed failed)
    : source_(std::move(source)), executor_(std::move(executor)), limits_(limits), failed_(std::move(failed)) {}

std::string CertificateCache::key(std::string_view name, std::uint64_t version) {
  std::string key(reinterpret_cast<const char*>(&version), sizeof version);
  key += name;
  return key;
}

std::shared_ptr<const CachedCertificate> CertificateCache::find_or_load(std::string_view name, std::uint64_t version,
                                                                        Ready ready, bool& begun) {
  auto wanted = key(name, version);
  {
    const std::lock_guard lock(mutex_);
    begun = true;
    if (const auto found = nodes_.find(wanted); found != nodes_.end()) {
      found->second->used();
      return found->second;
    }
    if (const auto under_way = loading_.find(wanted); under_way != loading_.end()) {
      under_way->second.push_back(std::move(ready));
      return nullptr;
    }
    if (loading_.size() >= limits_.loads) {
      ++counts_.refused;
      begun = false;
      return nullptr;
    }
    loading_[std::move(wanted)].push_back(std::move(ready));
  }
  // Outside the lock: an executor may run it at once.
  executor_([this, name = std::string(name), version] { load(name, version); });
  return nullptr;
}

void CertificateCache::load(const std::string& name, std::uint64_t version) {
  Node node;
  auto pem = source_(name);
  Error error;
  if (!pem) {
    error = pem.error();
  } else if (auto certificate = parse_certificate(*pem); !certificate) {
    error = certificate.error();
  } else {
    node = std::make_shared<const CachedCertificate>(name, version, std::move(*certificate));
  }
  std::vector<Ready> waiting;
  {
    const std::lock_guard lock(mutex_);
    const auto wanted = key(name, version);
    const auto under_way = loading_.find(wanted);
    waiting = std::move(under_way->second);
    loading_.erase(under_way);
    ++counts_.loads;
    if (node) {
      insert(wanted, node);
    } else {
      ++counts_.failures;
    }
  }
  if (!node && failed_) failed_(name, error);
  for (const auto& ready : waiting) ready(node);
}

void CertificateCache::insert(const std::string& wanted, Node node) {
  const auto bytes = (**node).memory();
  const auto ghost = ghost_counts_.find(wanted);
  if (ghost != ghost_counts_.end()) {
    main_.push_back(node);
  } else {
    small_.push_back(node);
    small_bytes_ += bytes;
  }
  bytes_ += bytes;
  nodes_[wanted] = std::move(node);
  while (bytes_ > limits_.bytes && nodes_.size() > 1) evict();
}

void CertificateCache::evict() {
  // A tenth of the memory is the newcomers' trial.
  if (!small_.empty() && (small_bytes_ > limits_.bytes / 10 || main_.empty())) {
    evict_from_small();
  } else {
    evict_from_main();
  }
}

void CertificateCache::evict_from_small() {
  auto node = std::move(small_.front());
  small_.pop_front();
  small_bytes_ -= (**node).memory();
  // A browser opens several connections at once: twice is no sign of coming back.
  if (node->uses_.load(std::memory_order_relaxed) > 1) {
    node->uses_.store(0, std::memory_order_relaxed);
    main_.push_back(std::move(node));
    return;
  }
  auto left = key(node->name_, node->version_);
  ++ghost_counts_[left];
  ghosts_.push_back(std::move(left));
  while (ghosts_.size() > main_.size() + small_.size()) {
    const auto oldest = ghost_counts_.find(ghosts_.front());
    if (--oldest->second == 0) ghost_counts_.erase(oldest);
    ghosts_.pop_front();
  }
  forget(node);
}

void CertificateCache::evict_from_main() {
  auto node = std::move(main_.front());
  main_.pop_front();
  const auto uses = node->uses_.load(std::memory_order_relaxed);
  if (uses > 0) {
    // A use that a worker tells right now may be lost: it costs one round in the queue.
    node->uses_.store(static_cast<std::uint8_t>(uses - 1), std::memory_order_relaxed);
    main_.push_back(std::move(node));
    return;
  }
  forget(node);
}

void CertificateCache::forget(const Node& node) {
  bytes_ -= (**node).memory();
  nodes_.erase(key(node->name_, node->version_));
  ++counts_.evictions;
}

CertificateCache::Counts CertificateCache::counts() const {
  const std::lock_guard lock(mutex_);
  auto counts = counts_;
  counts.certificates = nodes_.size();
  counts.bytes = bytes_;
  counts.loading = loading_.size();
  return counts;
}

}  // namespace hybridge
