// Which names have a certificate, without the certificates: SNI → the name and version under which to find it.
//
// Immutable, shared by all workers, made anew for each change; a change copies one shard. About 150 bytes a name.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/shard_map.h"

namespace hybridge {

class Certificate;

class CertificateTable {
 public:
  struct Entry {
    std::uint64_t version = 0;    // another one whenever the stored certificate is another
    std::int64_t not_after = 0;   // Unix seconds
    bool covers_its_name = true;  // false: kept, but never served for its own name
    // Only of certificates stored under a wildcard: all their names, for they serve hosts without one of their own.
    std::shared_ptr<const std::vector<std::string>> names;
  };
  struct Choice {
    std::string_view name;  // under which it is stored; as long-lived as the table
    std::uint64_t version = 0;
  };

  // What the table keeps of a certificate stored under `name`, a host name or `*.` and one.
  static Entry describe(std::string_view name, const Certificate& certificate, std::uint64_t version);

  // The host's own certificate if it covers the host; else the wildcard certificate with the longest name that covers
  // it (a wildcard stands for one label); else nothing, and the default is served. Any case; a trailing dot is cut.
  std::optional<Choice> find(std::string_view server_name) const;

  const Entry* own(std::string_view name) const { return entries_.find(name); }
  std::size_t size() const { return entries_.size(); }
  // visit(const std::string& name, const Entry& entry), in no order.
  template <class Visit>
  void for_each(Visit&& visit) const {
    entries_.for_each(visit);
  }

  // Names lower-case.
  [[nodiscard]] CertificateTable with(std::string name, Entry entry) const;
  [[nodiscard]] CertificateTable without(std::string_view name) const;

  class Builder;

 private:
  // A name that wildcard certificates cover → the names they are stored under, the longest first.
  using Shared = ShardMap<std::vector<std::string>>;

  ShardMap<Entry> entries_;
  Shared shared_;
};

// Many changes at once.
class CertificateTable::Builder {
 public:
  Builder() = default;
  explicit Builder(const CertificateTable& from) : entries_(from.entries_), shared_(from.shared_) {}

  void set(std::string name, Entry entry);
  void erase(std::string_view name);
  CertificateTable build() &&;

 private:
  void unshare(std::string_view name);

  ShardMap<Entry>::Builder entries_;
  Shared::Builder shared_;
};

}  // namespace hybridge
