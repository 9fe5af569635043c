#include "admin/records.h"

#include <algorithm>
#include <array>

namespace hybridge {

namespace {
constexpr std::array<std::string_view, 5> kRoles = {"read", "route", "certificate", "hold", "admin"};
}

std::string_view to_string(Role role) {
  return kRoles[static_cast<std::size_t>(role)];
}

std::optional<Role> to_role(std::string_view text) {
  const auto at = std::find(kRoles.begin(), kRoles.end(), text);
  if (at == kRoles.end()) return std::nullopt;
  return static_cast<Role>(at - kRoles.begin());
}

CertificateRecord make_certificate_record(std::string host, const Certificate& certificate, PemPairs pairs) {
  CertificateRecord record;
  record.facts.covers_host = certificate.covers(host);
  record.facts.host = std::move(host);
  record.facts.names = certificate.names();
  for (const auto& pair : certificate.pairs()) record.facts.key_types.emplace_back(name_of(pair.type));
  record.facts.fingerprint = to_hex(certificate.fingerprint());
  record.facts.issuer = certificate.issuer();
  record.facts.not_before = certificate.not_before();
  record.facts.not_after = certificate.not_after();
  record.pairs = std::move(pairs);
  return record;
}

CertificateTable::Entry table_entry(const CertificateFacts& facts) {
  CertificateTable::Entry entry;
  entry.version = facts.version;
  entry.not_after = facts.not_after;
  entry.covers_its_name = facts.covers_host;
  if (facts.host.starts_with("*.")) entry.names = std::make_shared<const std::vector<std::string>>(facts.names);
  return entry;
}

}  // namespace hybridge
