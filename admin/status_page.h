// The status page as HTML, from what is known: traffic, servers, holds, certificates, requests that failed, and what
// would become of a host. And the page that asks whether a hold is really to begin or to end.
//
// Pure functions; everything that came from outside is escaped. Who gathers the facts is page_api's affair.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "admin/hold_registry.h"
#include "admin/status_api.h"
#include "admin/status_facts.h"
#include "admin/traffic_history.h"
#include "proxy/explain.h"

namespace hybridge {

struct PageFacts {
  StatusFacts process;
  std::string server_name;
  std::string not_ready;  // "": it is ready
  std::string who;
  bool may_hold = false;
  std::int64_t now = 0;  // Unix seconds

  std::uint64_t revision = 0;
  std::size_t server_count = 0;
  std::size_t site_count = 0;
  std::size_t host_count = 0;
  std::size_t certificate_count = 0;

  TrafficHistory::Seconds traffic{};
  std::int64_t in_flight = 0;

  struct ServerLine {
    enum class Health : std::uint8_t { kUnknown, kUp, kDown };
    std::string name;
    std::size_t endpoints = 0;
    Health probed = Health::kUnknown;  // by questions of ours
    Health seen = Health::kUnknown;    // by the last request that was sent there
    std::size_t endpoints_down = 0;    // as probed
    std::int64_t since = 0;            // Unix seconds; 0: not known
    std::string why = {};              // of one that is down

    bool is_down() const { return probed == Health::kDown || (probed == Health::kUnknown && seen == Health::kDown); }
    bool wants_attention() const { return is_down() || endpoints_down > 0 || seen == Health::kDown; }
  };
  std::vector<ServerLine> servers;  // those that want attention first; not all, where there are many

  bool has_holds = false;  // there is a registry of them
  std::vector<HoldReply> holds;
  std::size_t hold_count = 0;  // those that are not in `holds`, too

  std::vector<ExpiringCertificate> expiring;  // the soonest
  std::size_t expiring_count = 0;

  struct Failure {
    std::int64_t at = 0;  // Unix seconds
    int status = 0;
    std::string method;
    std::string host;
    std::string path;  // without its query, which may hold secrets
    std::string server;
    std::string reason;
    std::string meaning;
    std::string detail;
    std::string request_id;
  };
  std::optional<std::vector<Failure>> failures;  // newest first; nullopt: a worker did not look in time

  std::string asked_host;  // in the search box; "": nothing was asked
  std::vector<ExplainedStep> explained;
  std::string explain_fault;

  std::optional<HoldReply> told;  // what became of the window that a form was about
};

std::string render_status(const PageFacts& facts);  // the body, for a frame that is live

// What a form is about to do.
struct Confirmation {
  std::string title;   // `Hold site acme.example.com?`
  std::string text;    // what that means
  std::string action;  // path
  std::string button;  // `Hold acme.example.com`
  std::vector<std::pair<std::string, std::string>> fields;
};
std::string render_confirmation(const Confirmation& confirmation);

// `3 min`, `2 h 5 min`, `4 d 2 h`.
std::string duration_text(std::int64_t seconds);

// `site acme.example.com`, `all sites of server f1`.
std::string scope_text(const HoldScope& scope);

}  // namespace hybridge
