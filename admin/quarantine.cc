#include "admin/quarantine.h"

#include "base/host_name.h"

namespace hybridge {

namespace {
std::string path_of(std::string_view table, std::string_view name) {
  return std::string(table) + "[" + in_quotes(name) + "]";
}
}  // namespace

void Quarantine::add(const Fault& fault) {
  const std::lock_guard lock(mutex_);
  faults_.insert_or_assign(fault.path, fault.message);
}

void Quarantine::add_certificate(std::string_view host, std::string message) {
  add({path_of("certificates", host), std::move(message)});
}

void Quarantine::heal(const StoreWrite& write) {
  if (count() == 0) return;
  for (const auto& change : write.changes) heal(path_of(std::string(to_string(change.kind)) + 's', change.name));
  for (const auto& certificate : write.certificates) heal(path_of("certificates", certificate.facts.host));
  for (const auto& host : write.removed_certificates) heal(path_of("certificates", host));
}

void Quarantine::heal(const std::string& record) {
  const std::lock_guard lock(mutex_);
  const auto first = faults_.lower_bound(record);
  auto last = first;
  while (last != faults_.end() && last->first.starts_with(record)) ++last;
  faults_.erase(first, last);
}

std::size_t Quarantine::count() const {
  const std::lock_guard lock(mutex_);
  return faults_.size();
}

std::vector<Fault> Quarantine::first(std::size_t most) const {
  const std::lock_guard lock(mutex_);
  std::vector<Fault> found;
  for (const auto& [path, message] : faults_) {
    if (found.size() == most) break;
    found.push_back({path, message});
  }
  return found;
}

}  // namespace hybridge
