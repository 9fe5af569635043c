// Stored records that cannot be right, so that everything but them is served: found when the state was loaded, or when
// a certificate was first asked for. They leave it when they are written anew.
//
// Any thread. Told by the status, a metric and the log.
#pragma once

#include <cstddef>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "admin/records.h"
#include "routing/fault.h"

namespace hybridge {

class Quarantine {
 public:
  void add(const Fault& fault);  // its path begins with that of the record: `hosts["erp.acme.com"].site`
  void add_certificate(std::string_view host, std::string message);
  void heal(const StoreWrite& write);

  std::size_t count() const;
  std::vector<Fault> first(std::size_t most) const;  // by path

 private:
  void heal(const std::string& record);

  mutable std::mutex mutex_;
  std::map<std::string, std::string> faults_;  // by path
};

}  // namespace hybridge
