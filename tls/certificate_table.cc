#include "tls/certificate_table.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/host_name.h"
#include "tls/certificate.h"

namespace hybridge {

CertificateTable::Entry CertificateTable::describe(std::string_view name, const Certificate& certificate,
                                                   std::uint64_t version) {
  Entry entry{.version = version,
              .not_after = certificate.not_after(),
              .covers_its_name = certificate.covers(name),
              .names = nullptr};
  if (is_host_pattern(name)) entry.names = std::make_shared<const std::vector<std::string>>(certificate.names());
  return entry;
}

std::optional<CertificateTable::Choice> CertificateTable::find(std::string_view server_name) const {
  if (server_name.ends_with('.')) server_name.remove_suffix(1);
  if (server_name.empty() || server_name.size() > kMaxHostName) return std::nullopt;
  // One byte before the name, so that `*` can stand in for the first label.
  std::array<char, kMaxHostName + 1> text;
  for (std::size_t i = 0; i < server_name.size(); ++i) {
    const char c = server_name[i];
    text[i + 1] = c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
  }
  const std::string_view host(text.data() + 1, server_name.size());
  if (host.front() == '*') return std::nullopt;  // no host, and it must not meet a wildcard's own entry
  if (const auto* own = entries_.find_entry(host); own && own->value.covers_its_name) {
    return Choice{own->key, own->value.version};
  }
  const auto choose = [this](std::string_view name) -> std::optional<Choice> {
    const auto* stored = shared_.find(name);
    if (!stored) return std::nullopt;
    const auto* entry = entries_.find_entry(stored->front());
    return Choice{entry->key, entry->value.version};
  };
  auto exact = choose(host);
  const auto dot = host.find('.');
  if (dot == 0 || dot == std::string_view::npos) return exact;
  text[dot] = '*';
  auto wild = choose({text.data() + dot, server_name.size() + 1 - dot});
  if (!exact || (wild && wild->name.size() > exact->name.size())) return wild;
  return exact;
}

CertificateTable CertificateTable::with(std::string name, Entry entry) const {
  Builder builder(*this);
  builder.set(std::move(name), std::move(entry));
  return std::move(builder).build();
}

CertificateTable CertificateTable::without(std::string_view name) const {
  if (!own(name)) return *this;
  Builder builder(*this);
  builder.erase(name);
  return std::move(builder).build();
}

void CertificateTable::Builder::set(std::string name, Entry entry) {
  unshare(name);
  if (entry.names) {
    for (const auto& each : *entry.names) {
      const auto* before = shared_.find(each);
      auto stored = before ? *before : std::vector<std::string>();
      stored.push_back(name);
      std::sort(stored.begin(), stored.end(), [](const std::string& a, const std::string& b) {
        return a.size() != b.size() ? a.size() > b.size() : a < b;
      });
      shared_.set(each, std::move(stored));
    }
  }
  entries_.set(std::move(name), std::move(entry));
}

void CertificateTable::Builder::erase(std::string_view name) {
  unshare(name);
  entries_.erase(name);
}

void CertificateTable::Builder::unshare(std::string_view name) {
  const auto* entry = entries_.find(name);
  if (!entry || !entry->names) return;
  const auto names = entry->names;
  for (const auto& each : *names) {
    auto stored = *shared_.find(each);
    std::erase(stored, name);
    if (stored.empty()) {
      shared_.erase(each);
    } else {
      shared_.set(each, std::move(stored));
    }
  }
}

CertificateTable CertificateTable::Builder::build() && {
  CertificateTable table;
  table.entries_ = std::move(entries_).build();
  table.shared_ = std::move(shared_).build();
  return table;
}

}  // namespace hybridge
