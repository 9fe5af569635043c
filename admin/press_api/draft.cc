#include "admin/press_api/draft.h"

#include <algorithm>

namespace hybridge {

using Kind = Change::Kind;

// The value as the job has left it; what it has not touched is as it is known.
template <class Value>
std::optional<Value> Draft::latest(Kind kind, const std::string& name, std::optional<Value> known) const {
  const auto found = changes_.find({kind, name});
  if (found == changes_.end()) return known;
  const auto* made = std::get_if<Value>(&found->second.value);
  return made ? std::optional(*made) : std::nullopt;
}

std::optional<Server> Draft::server(const std::string& name) const {
  const auto known = tip_.snapshot->server(name);
  return latest(Kind::kServer, name, known ? std::optional(*known) : std::nullopt);
}

std::optional<Site> Draft::site(const std::string& name) const {
  return latest(Kind::kSite, name, tip_.snapshot->site(name));
}

std::optional<Host> Draft::host(const std::string& name) const {
  const auto* known = tip_.snapshot->host(name);
  return latest(Kind::kHost, name, known ? std::optional(*known) : std::nullopt);
}

std::vector<std::string> Draft::sites_on(const std::string& server) const {
  std::vector<std::string> names;
  tip_.snapshot->for_each_site([&](const std::string& name, const Site& site) {
    if (site.server == server) names.push_back(name);
  });
  return names;
}

void Draft::change(Change change) {
  Key key{change.kind, change.name};
  changes_.insert_or_assign(std::move(key), std::move(change));
}

void Draft::put_certificate(std::shared_ptr<const CertificateRecord> certificate) {
  const auto& host = certificate->facts.host;
  certificates_.insert_or_assign(host, std::move(certificate));
}

void Draft::remove_certificate(const std::string& host) {
  certificates_.insert_or_assign(host, nullptr);
}

Result<void> Draft::move_certificate(const std::string& from, const std::string& to) {
  if (!tip_.certificates->own(from)) return {};
  auto facts = reader_.certificate(from);
  if (!facts) return facts.error();
  auto pairs = reader_.pairs(from);
  if (!pairs) return pairs.error();
  facts->host = to;
  facts->covers_host = std::any_of(facts->names.begin(), facts->names.end(),
                                   [&](const std::string& name) { return is_covered_by(to, name); });
  remove_certificate(from);
  put_certificate(std::make_shared<const CertificateRecord>(CertificateRecord{std::move(*facts), std::move(*pairs)}));
  return {};
}

Result<Plan> Draft::plan() const {
  Plan plan;
  for (const auto& [key, change] : changes_) {
    if (value_of(change) != value_of(*tip_.snapshot, key.first, key.second)) plan.changes.push_back(change);
  }
  for (const auto& [host, certificate] : certificates_) {
    if (certificate) {
      plan.certificates.push_back(*certificate);
    } else if (tip_.certificates->own(host)) {
      plan.removed_certificates.push_back(host);
    }
  }
  if (plan.changes.empty()) return plan;
  Faults faults;
  find_faults_after(apply(*tip_.snapshot, plan.changes, tip_.snapshot->revision()), plan.changes, faults);
  if (faults.empty()) return plan;
  const auto& first = faults.kept().front();
  return make_error(Reason::kInvalid, first.path + ": " + first.message);
}

}  // namespace hybridge
