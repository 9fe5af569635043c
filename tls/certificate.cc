#include "tls/certificate.h"

#include <algorithm>
#include <utility>

#include "tls/pem_pair.h"

namespace hybridge {

std::string_view name_of(KeyType type) {
  return type == KeyType::kEc ? "EC" : "RSA";
}

bool is_covered_by(std::string_view host, std::string_view name) {
  if (host == name) return true;
  if (!name.starts_with("*.") || host.starts_with("*.")) return false;
  const auto dot = host.find('.');
  return dot != 0 && dot != std::string_view::npos && host.substr(dot) == name.substr(1);
}

Certificate::Certificate(std::vector<Pair> pairs) : pairs_(std::move(pairs)) {
  names_ = pairs_.front().names;
  for (const auto& pair : pairs_) {
    std::erase_if(names_, [&](const std::string& name) {
      return std::find(pair.names.begin(), pair.names.end(), name) == pair.names.end();
    });
  }
  std::string digests;
  memory_ = sizeof *this;
  for (const auto& pair : pairs_) {
    digests.append(reinterpret_cast<const char*>(pair.fingerprint.data()), pair.fingerprint.size());
    memory_ += memory_of(pair);
  }
  session_context_ = sha256(digests);
}

bool Certificate::covers(std::string_view host) const {
  return std::any_of(names_.begin(), names_.end(), [&](const auto& name) { return is_covered_by(host, name); });
}

std::int64_t Certificate::not_before() const {
  return std::max_element(pairs_.begin(), pairs_.end(),
                          [](const Pair& a, const Pair& b) { return a.not_before < b.not_before; })
      ->not_before;
}

std::int64_t Certificate::not_after() const {
  return std::min_element(pairs_.begin(), pairs_.end(),
                          [](const Pair& a, const Pair& b) { return a.not_after < b.not_after; })
      ->not_after;
}

Result<std::shared_ptr<const Certificate>> parse_certificate(const PemPairs& pairs) {
  if (pairs.empty()) return make_error(Reason::kInvalid, "a certificate needs a chain and a key");
  if (pairs.size() > 2) {
    return make_error(Reason::kInvalid, "there are " + std::to_string(pairs.size()) +
                                            " pairs of chain and key; one is enough, or two: one EC and one RSA");
  }
  std::vector<Certificate::Pair> parsed;
  for (std::size_t index = 0; index < pairs.size(); ++index) {
    const auto where = pairs.size() == 1 ? std::string() : "pairs[" + std::to_string(index) + "]: ";
    auto pair = parse_pem_pair(pairs[index]);
    if (!pair) return make_error(Reason::kInvalid, where + pair.error().detail);
    if (index == 1 && pair->type == parsed.front().type) {
      return make_error(Reason::kInvalid, where + "has an " + std::string(name_of(pair->type)) +
                                              " key like pairs[0]; two pairs are for two types of key, EC and RSA");
    }
    parsed.push_back(std::move(*pair));
  }
  // The EC pair first: OpenSSL asks in this order, and its signature costs a tenth.
  std::sort(parsed.begin(), parsed.end(), [](const auto& a, const auto& b) { return a.type < b.type; });
  return std::make_shared<const Certificate>(std::move(parsed));
}

}  // namespace hybridge
