// What the store keeps beside routing records: certificates' facts, tokens, and who changed what. Values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "routing/change.h"
#include "tls/certificate.h"
#include "tls/certificate_table.h"

namespace hybridge {

// A certificate as the index and the API know it: all but its pairs.
struct CertificateFacts {
  std::string host;           // under which it is stored; may be a wildcard
  std::uint64_t version = 0;  // the revision that put it
  bool covers_host = true;
  std::vector<std::string> names;
  std::vector<std::string> key_types;  // "EC", "RSA": one a pair
  std::string fingerprint;             // SHA-256 of the first pair's leaf, hexadecimal
  std::string issuer;
  std::int64_t not_before = 0;  // Unix seconds
  std::int64_t not_after = 0;
};

struct CertificateRecord {
  CertificateFacts facts;
  PemPairs pairs;
};

// `version` is filled by whoever stores it.
CertificateRecord make_certificate_record(std::string host, const Certificate& certificate, PemPairs pairs);
CertificateTable::Entry table_entry(const CertificateFacts& facts);

enum class Role : std::uint8_t { kRead, kRoute, kCertificate, kHold, kAdmin };
std::string_view to_string(Role role);
std::optional<Role> to_role(std::string_view text);

struct TokenRecord {
  std::string name;
  Role role = Role::kRead;
  Sha256 hash{};             // of the token; a token has 256 random bits, so that a plain hash keeps it
  std::int64_t created = 0;  // Unix seconds
};

struct AuditRecord {
  std::int64_t id = 0;         // ascending; given by the store
  std::int64_t at = 0;         // Unix milliseconds
  std::uint64_t revision = 0;  // that it made; of what holds do: that it happened under
  std::string who;             // a token's name, or `uid 0` of the socket
  std::string action;          // `PUT /v1/snapshot`
  std::string detail;          // JSON: what was before and after
};

// Among the store's secrets: the hash of the press API's password.
inline constexpr std::string_view kAgentPassword = "agent_password";

// A job of the press API, as its control plane asks for it again and again. It is done when it is stored.
struct JobRecord {
  std::int64_t id = 0;
  std::string agent_job_id;        // the control plane's own name for it; "": it gave none
  std::string name;                // `Add Site to Upstream`
  bool failed = false;             // its last step did
  std::int64_t at = 0;             // Unix microseconds: when it was asked for
  std::uint64_t revision = 0;      // of its write: it is done for all to see when that is live
  std::vector<std::string> steps;  // names
  // Microseconds after `at`: when each step began, and when the last of them ended. Fewer than that, of jobs of an
  // older hybridge: nobody knows.
  std::vector<std::int64_t> times;
  std::string data = "{}";  // JSON: of a failed one `{"traceback":…}`
};

// That a call was carried out under an Idempotency-Key, and what it was answered.
struct ReceiptRecord {
  std::string who;
  std::string key;
  Sha256 fingerprint{};  // of the call
  std::int64_t at = 0;   // Unix seconds
  int status = 200;
  std::string content_type;
  std::string body;
};

// What one accepted write puts into the store, all of it or nothing.
struct StoreWrite {
  std::uint64_t revision = 0;
  std::vector<Change> changes;
  std::vector<CertificateRecord> certificates;
  std::vector<std::string> removed_certificates;
  std::vector<JobRecord> jobs;
  std::vector<std::pair<std::string, std::string>> secrets;  // by name
  std::vector<ReceiptRecord> receipts;
  AuditRecord audit;
};

}  // namespace hybridge
