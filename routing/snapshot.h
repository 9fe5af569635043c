// What is served where, at one revision: servers, sites, hosts and rules, immutable, and the one look-up that requests
// take.
//
// A Snapshot is a value whose copies share their tables; workers hold it as shared_ptr<const Snapshot>, and any number
// of threads may read it. A change makes another one at a cost that does not grow with the table. References may
// dangle: what they lead to is then an unknown host. Names are in the spelling of base/host_name.h; whoever builds a
// Snapshot has checked them (routing/snapshot_json.h does).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/shard_map.h"
#include "routing/rule.h"

namespace hybridge {

struct Endpoint {
  std::string address;  // host name, IPv4 or IPv6 literal without brackets
  std::uint16_t port = 80;
  std::uint32_t weight = 1;

  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

struct ServerTls {
  enum class Mode : std::uint8_t { kOff, kVerify };
  Mode mode = Mode::kOff;
  std::string name;  // SNI and the name the certificate must have; "": the server's
  std::string ca;    // PEM; "": the system's authorities

  friend bool operator==(const ServerTls&, const ServerTls&) = default;
};

struct ServerLimits {
  std::uint32_t connections = 0;  // to this server, of all workers together; 0: as configured
  std::uint32_t waiting = 0;      // requests that may wait for a connection; 0: as configured

  friend bool operator==(const ServerLimits&, const ServerLimits&) = default;
};

// What is wrong with the target that a health check is to ask for; nullopt: nothing. It goes into a request as it is:
// from its slash on, visible ASCII, no fragment, 1024 bytes at most.
std::optional<std::string> health_path_fault(std::string_view path);

// A customer's server. Shared as shared_ptr<const Server>; an edit of another server leaves this object as it is, so
// its address tells whether a pool is still the right one.
struct Server {
  std::string name;
  std::vector<Endpoint> endpoints;  // at least one; the first is the primary
  ServerTls tls;
  std::uint16_t agent_port = 443;
  ServerLimits limits;
  std::string health_path;     // what the active health check asks it for; "": as configured
  std::string document;        // its JSON value as it was given, keys sorted; "": made of the fields when asked for
  std::string proxy_upstream;  // filled when it enters a Snapshot: `http://` and 16 digits, X-Proxy-Upstream
};

enum class SiteStatus : std::uint8_t { kActive, kSuspended, kSuspendedSaas, kDeactivated };
std::string_view to_string(SiteStatus status);  // "suspended_saas", as the API spells it
std::optional<SiteStatus> to_site_status(std::string_view text);

// A site is reachable under its own name, and under every host that names it.
struct Site {
  std::string server;
  SiteStatus status = SiteStatus::kActive;
  bool says_status = false;  // the document gave the status, though it is the default
  // Whether the site's own word that it is in maintenance has its requests held; nothing: the document did not say,
  // yes.
  std::optional<bool> in_band = std::nullopt;

  friend bool operator==(const Site&, const Site&) = default;
};

// A name beside the sites' own; of `*.example.com` it speaks for every name below. Redirect wins while it is there.
struct Host {
  std::string site;      // "": none
  std::string redirect;  // a host name; "": none
  bool code_server = false;
  bool says_code_server = false;  // the document gave it, though it is the default

  friend bool operator==(const Host&, const Host&) = default;
};

// Where a host leads, and why. Views and pointers are valid while the snapshot and the host that was asked for are.
struct Route {
  enum class Kind : std::uint8_t { kUnknown, kSite, kRedirect };
  enum class Why : std::uint8_t {
    kHost,               // listed among the hosts
    kSiteName,           // a site's own name
    kWildcard,           // below a wildcard host that names a site or a redirect
    kNoSuchHost,         // unknown: nothing matches
    kNoSuchTenant,       // unknown: below a wildcard of sites, but no site has this name
    kSiteMissing,        // unknown: the host names a site that is not there
    kServerMissing,      // unknown: the site's server is not there
    kRedirectsToItself,  // unknown: a wildcard's redirect whose target it matches itself
  };

  Kind kind = Kind::kUnknown;
  Why why = Why::kNoSuchHost;
  SiteStatus status = SiteStatus::kActive;  // of kSite; the server is there whatever it is
  bool code_server = false;                 // of kSite
  bool in_band = true;                      // of kSite
  std::string_view site;                    // of kSite and kServerMissing, kSiteMissing
  std::string_view redirect;                // of kRedirect: the host to go to
  std::string_view wildcard;                // the part after `*.` of the wildcard that matched; "": none did

  const Server& server() const { return **server_; }  // of kSite
  const std::shared_ptr<const Server>& shared_server() const { return *server_; }

 private:
  friend class Snapshot;
  const std::shared_ptr<const Server>* server_ = nullptr;
  const Host* entry_ = nullptr;
};
std::string_view to_string(Route::Why why);  // "no_such_host"

class Snapshot {
 public:
  class Builder;

  Snapshot();

  std::uint64_t revision() const { return revision_; }

  // The route of a host as RequestHead has it (lower-case, no port, no trailing dot). Allocates nothing. First the
  // hosts, then the sites' own names, then the longest wildcard.
  Route find(std::string_view host) const;

  std::shared_ptr<const Server> server(std::string_view name) const;  // nullptr: none
  std::optional<Site> site(std::string_view name) const;
  bool has_site(std::string_view name) const { return sites_.contains(name); }
  const Host* host(std::string_view name) const;  // `*.example.com` too; nullptr: none

  // Never null; the same object as long as no rule changes.
  const std::shared_ptr<const Rules>& rules() const { return rules_; }
  std::shared_ptr<const Rule> rule(std::string_view id) const;  // nullptr: none

  std::size_t server_count() const { return server_count_; }
  std::size_t site_count() const { return sites_.size(); }
  std::size_t host_count() const { return hosts_.size() + wildcards_.size(); }

  // In no order. visit(const std::shared_ptr<const Server>&), visit(const std::string& name, const Site&),
  // visit(const std::string& name, const Host&).
  template <class Visit>
  void for_each_server(Visit&& visit) const;
  template <class Visit>
  void for_each_site(Visit&& visit) const;
  template <class Visit>
  void for_each_host(Visit&& visit) const;

  // One change; the revision stays until with_revision(). For many at once: Builder.
  [[nodiscard]] Snapshot with_server(Server server) const;
  [[nodiscard]] Snapshot without_server(std::string_view name) const;
  [[nodiscard]] Snapshot with_site(std::string name, Site site) const;
  [[nodiscard]] Snapshot without_site(std::string_view name) const;
  [[nodiscard]] Snapshot with_host(std::string name, Host host) const;
  [[nodiscard]] Snapshot without_host(std::string_view name) const;
  [[nodiscard]] Snapshot with_revision(std::uint64_t revision) const;

  // The ring that following the redirects from this host (or pattern) ends in, "a.test → b.test → a.test"; "": none.
  std::string redirect_ring(std::string_view name) const;
  // The hosts from which redirects end in a ring; every ring is found, each of its hosts once at most.
  std::vector<std::string> redirect_rings() const;
  // The same after a single change to a table without rings: looks only where that change can have made one.
  std::vector<std::string> redirect_rings_after_change_of(std::string_view name) const;

 private:
  // Sites refer to servers by index, so that a change of a server touches no site. A slot without server is a name
  // that sites refer to in vain.
  struct ServerSlot {
    std::string name;
    std::shared_ptr<const Server> server;
  };
  struct SiteEntry {
    std::uint32_t slot = 0;
    SiteStatus status = SiteStatus::kActive;
    bool says_status = false;
    std::optional<bool> in_band = std::nullopt;
  };
  struct Wildcard {
    std::string_view suffix;
    const Host* host = nullptr;
  };

  Site to_site(const SiteEntry& entry) const;
  Wildcard longest_wildcard(std::string_view host) const;
  void enter_site(Route& route, std::string_view name, const SiteEntry& entry) const;
  // The entry whose redirect rules the name; nullptr: it is not redirected.
  const Host* redirecting(std::string_view name) const;

  std::uint64_t revision_ = 0;
  std::shared_ptr<const std::vector<ServerSlot>> servers_;
  std::size_t server_count_ = 0;
  ShardMap<std::uint32_t> server_slots_;  // by name
  ShardMap<SiteEntry> sites_;
  ShardMap<Host> hosts_;      // exact names
  ShardMap<Host> wildcards_;  // by what follows the star and its dot
  std::shared_ptr<const Rules> rules_;
};

// Many changes, for the price of what they touch.
class Snapshot::Builder {
 public:
  Builder() = default;
  explicit Builder(const Snapshot& from) : snapshot_(from) {}

  void set_server(Server server);
  void erase_server(std::string_view name);
  void set_site(std::string name, const Site& site);
  void erase_site(std::string_view name);
  void set_host(std::string name, Host host);
  void erase_host(std::string_view name);
  void set_rule(Rule rule);
  void erase_rule(std::string_view id);
  Snapshot build(std::uint64_t revision) &&;

 private:
  std::vector<ServerSlot>& slots();
  std::uint32_t slot_of(std::string_view server);
  template <class Value>
  typename ShardMap<Value>::Builder& opened(std::optional<typename ShardMap<Value>::Builder>& builder,
                                            const ShardMap<Value>& map);

  Snapshot snapshot_;
  std::optional<std::vector<ServerSlot>> servers_;  // those that are changed; the rest stays shared
  std::optional<ShardMap<std::uint32_t>::Builder> server_slots_;
  std::optional<ShardMap<SiteEntry>::Builder> sites_;
  std::optional<ShardMap<Host>::Builder> hosts_;
  std::optional<ShardMap<Host>::Builder> wildcards_;
  std::optional<Rules> rules_;
};

template <class Visit>
void Snapshot::for_each_server(Visit&& visit) const {
  for (const auto& slot : *servers_) {
    if (slot.server) visit(slot.server);
  }
}

template <class Visit>
void Snapshot::for_each_site(Visit&& visit) const {
  sites_.for_each([&](const std::string& name, const SiteEntry& entry) { visit(name, to_site(entry)); });
}

template <class Visit>
void Snapshot::for_each_host(Visit&& visit) const {
  hosts_.for_each([&](const std::string& name, const Host& host) { visit(name, host); });
  wildcards_.for_each([&](const std::string& suffix, const Host& host) { visit("*." + suffix, host); });
}

}  // namespace hybridge
