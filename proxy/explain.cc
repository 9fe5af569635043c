#include "proxy/explain.h"

#include <algorithm>
#include <cstdint>
#include <ctime>
#include <optional>

#include "base/host_name.h"
#include "proxy/http/error_page.h"
#include "proxy/http/normal_path.h"
#include "proxy/onward.h"
#include "proxy/own_host.h"
#include "routing/rule_matcher.h"

namespace hybridge {
namespace {

constexpr std::string_view kAcmePrefix = "/.well-known/acme-challenge/";

struct Url {
  bool is_https = true;
  std::string host;    // normal; IPv6 in brackets
  std::string target;  // path and query
};

Error not_a_url(std::string_view url) {
  return make_error(Reason::kInvalid, in_quotes(url) + " is not a URL (https://erp.example.com/app)");
}

Result<Url> parse_url(std::string_view text) {
  Url url;
  auto rest = text;
  if (const auto scheme = rest.find("://"); scheme != std::string_view::npos) {
    if (rest.substr(0, scheme) != "https" && rest.substr(0, scheme) != "http") return not_a_url(text);
    url.is_https = rest.substr(0, scheme) == "https";
    rest.remove_prefix(scheme + 3);
  }
  rest = rest.substr(0, rest.find('#'));
  const auto end = std::min(rest.find_first_of("/?"), rest.size());
  auto authority = rest.substr(0, end);
  url.target = std::string(rest.substr(end));
  if (!url.target.starts_with('/')) url.target.insert(0, 1, '/');

  const auto colon = authority.find(':', authority.starts_with('[') ? authority.find(']') : 0);
  if (colon != std::string_view::npos) {
    const auto port = authority.substr(colon + 1);
    if (port.empty() || port.find_first_not_of("0123456789") != std::string_view::npos) return not_a_url(text);
    authority = authority.substr(0, colon);
  }
  if (authority.starts_with('[') && authority.ends_with(']') &&
      is_ipv6_literal(authority.substr(1, authority.size() - 2))) {
    url.host = std::string(authority);
    return url;
  }
  auto host = normalize_host_name(authority);
  if (!host) return make_error(Reason::kInvalid, host.error().detail);
  url.host = std::move(*host);
  return url;
}

std::string date_of(std::int64_t unix_seconds) {
  const std::time_t seconds = unix_seconds;
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  char date[32];
  return std::string(date, std::strftime(date, sizeof date, "%Y-%m-%d", &parts));
}

class Explanation {
 public:
  Explanation(const Config& config, const Snapshot& snapshot, const CertificateTable& certificates, Url url,
              std::string_view method, const HoldTeller& holds)
      : config_(config),
        snapshot_(snapshot),
        certificates_(certificates),
        url_(std::move(url)),
        method_(method),
        holds_(holds) {}

  std::vector<ExplainedStep> steps() && {
    add("url", (url_.is_https ? "https://" : "http://") + url_.host + url_.target);
    add("revision", std::to_string(snapshot_.revision()));
    certificate();
    decide();
    return std::move(steps_);
  }

 private:
  void add(std::string_view name, std::string value) { steps_.push_back({std::string(name), std::move(value)}); }

  void answer(int status, const std::string& what) { add("answer", std::to_string(status) + ' ' + what); }
  void redirect(int status, const std::string& location) { answer(status, "to " + location); }

  void certificate() {
    if (!url_.is_https) return add("certificate", "none: this is http, in clear text");
    const auto choice = certificates_.find(url_.host);
    if (!choice) {
      const auto* own = certificates_.own(url_.host);
      const bool is_own = !config_.default_certificate.chain.empty();
      return add("certificate",
                 "the default one (" + (is_own ? config_.default_certificate.chain : "self-signed") + "): " +
                     (own ? "the one stored for this name does not cover it" : "none in the table covers this name"));
    }
    const auto* entry = certificates_.own(choice->name);
    std::string value(choice->name);
    if (choice->name != url_.host) value += ": the longest wildcard certificate that covers the name";
    if (entry) value += ", valid until " + date_of(entry->not_after);
    add("certificate", value);
  }

  void server_call() {
    const auto path = *onward_path(url_.target);
    const auto name = normalize_endpoint_address(path.server);
    const auto known = name ? snapshot_.server(*name) : nullptr;
    add("server", known ? known->name : std::string(path.server) + ": not in the table");
    if (known) {
      return add("answer", "its agent's or exporters', over TLS on port " +
                               std::to_string(path.port == 0 ? known->agent_port : path.port));
    }
    const bool may_be = !config_.forward.suffixes.empty();
    answer(http::status_of(Reason::kUnknownServer),
           may_be ? "no server is called so (unless it is a name of forward.suffixes that leads to an endpoint)"
                  : "no server is called so");
  }

  void own(OwnPath path) {
    switch (path) {
      case OwnPath::kHome:
        return answer(http::status_of(Reason::kOwnPage), "the home page");
      case OwnPath::kAgentApi:
        return answer(http::status_of(Reason::kOwnApi), "the control plane's API, which asks for its password");
      case OwnPath::kMonitoring:
        return answer(http::status_of(Reason::kOwnApi),
                      "metrics, an exporter's or the status, for the password of monitoring");
      case OwnPath::kServer:
        return server_call();
      case OwnPath::kNothing:
        return answer(http::status_of(Reason::kNotFound), "nothing of ours has this path");
    }
  }

  void decide() {
    if (!url_.is_https && config_.redirect_to_https) {
      add("listener", "http, which redirects (redirect_to_https)");
      if (!config_.domain.empty() && url_.target.starts_with(kAcmePrefix)) {
        return redirect(http::status_of(Reason::kAcmeRedirect), "http://ssl." + config_.domain + url_.target);
      }
      return redirect(http::status_of(Reason::kRedirectToHttps), "https://" + url_.host + url_.target);
    }
    if (url_.host == config_.server_name) {
      add("host", url_.host + ": this proxy's own name (server_name)");
      return own(own_path(std::string_view(url_.target).substr(0, url_.target.find('?'))));
    }
    const auto route = snapshot_.find(url_.host);
    host(route);
    if (rules(route)) return;
    switch (route.kind) {
      case Route::Kind::kUnknown:
        return unknown_host();
      case Route::Kind::kRedirect:
        return redirect(http::status_of(Reason::kHostRedirect), "https://" + std::string(route.redirect) + url_.target);
      case Route::Kind::kSite:
        return site(route);
    }
  }

  // Of a request without header fields. True: a rule ends the request.
  bool rules(const Route& route) {
    Faults faults;
    const auto matcher = RuleMatcher::make(*snapshot_.rules(), faults);
    if (snapshot_.rules()->empty() || !matcher) return false;
    const auto question = url_.target.find('?');
    std::string scratch;
    const auto path = http::normal_path(std::string_view(url_.target).substr(0, question), scratch);
    matcher->begin();
    matcher->host(url_.host);
    matcher->path(path);
    matcher->method(method_);
    if (matcher->asks_for_headers()) add("rules", "those with conditions on header fields are left out");
    for (const auto* rule : matcher->matches()) {
      if (const auto* redirect = std::get_if<RuleRedirect>(&rule->action)) {
        add("rule", rule->id + ": redirect");
        auto to = matcher->destination(*rule, path);
        if (question != std::string::npos && to.find('?') == std::string::npos) to += url_.target.substr(question);
        this->redirect(redirect->status, to);
        return true;
      }
      if (const auto* denial = std::get_if<RuleDenial>(&rule->action)) {
        add("rule", rule->id + ": deny");
        answer(denial->status, denial->message.empty() ? "refused" : denial->message);
        return true;
      }
      if (const auto* named = std::get_if<RuleClass>(&rule->action)) add("rule", rule->id + ": class " + named->name);
      if (const auto* header = std::get_if<RuleHeader>(&rule->action)) {
        add("rule", rule->id + ": header " + header->name + " of the " + (header->on_response ? "answer" : "request"));
      }
      if (const auto* limit = std::get_if<RuleLimit>(&rule->action)) rate_limit(rule->id, *limit, route);
    }
    return false;
  }

  void rate_limit(const std::string& id, const RuleLimit& limit, const Route& route) {
    if (limit.by != RuleLimit::By::kAddress && route.site.empty()) return;
    constexpr std::string_view kFor[] = {"the site", "the client's address", "the client's address and the site"};
    add("rule", id + ": limit of " + std::to_string(limit.requests) + " in " + std::to_string(limit.seconds) +
                    " s, counted for " + std::string(kFor[static_cast<std::size_t>(limit.by)]) +
                    (limit.dry_run ? ", a dry run" : ""));
  }

  void unknown_host() {
    if (config_.domain.empty()) return answer(404, "page not_found: no domain is configured to send unknown hosts to");
    redirect(http::status_of(Reason::kUnknownHost),
             "https://" + config_.domain + "/dashboard/#/sites/new?domain=" + url_.host);
  }

  void host(const Route& route) {
    const std::string site(route.site);
    const std::string wildcard = "*." + std::string(route.wildcard);
    std::string why;
    switch (route.why) {
      case Route::Why::kHost:
        why = "listed among the hosts";
        break;
      case Route::Why::kSiteName:
        why = "a site's own name";
        break;
      case Route::Why::kWildcard:
        why = "below the host " + wildcard;
        break;
      case Route::Why::kNoSuchHost:
        why = "unknown: neither a host nor a site has this name, and no wildcard matches";
        break;
      case Route::Why::kNoSuchTenant:
        why = "unknown: below " + wildcard + ", but no site has this name";
        break;
      case Route::Why::kSiteMissing:
        why = "unknown: it names the site " + site + ", which is not there";
        break;
      case Route::Why::kServerMissing:
        why = "unknown: the server of its site " + site + " is not there";
        break;
      case Route::Why::kRedirectsToItself:
        why = "unknown: " + wildcard + " redirects to a name that it matches itself";
        break;
    }
    add("host", url_.host + ": " + why);
  }

  void site(const Route& route) {
    const auto& server = route.server();
    add("site", std::string(route.site) + (route.code_server ? ", its code server" : ""));
    add("status", std::string(to_string(route.status)));
    switch (route.status) {
      case SiteStatus::kActive:
        break;
      case SiteStatus::kSuspended:
        return answer(http::status_of(Reason::kSuspended), "page suspended");
      case SiteStatus::kSuspendedSaas:
        return answer(http::status_of(Reason::kSuspendedSaas), "page suspended_saas");
      case SiteStatus::kDeactivated:
        return answer(http::status_of(Reason::kDeactivated), "page deactivated");
    }
    const auto hold = holds_ ? holds_(route.site, server.name) : std::string();
    if (!hold.empty()) add("hold", hold);
    const bool verifies = server.tls.mode == ServerTls::Mode::kVerify;
    const auto& name = server.tls.name.empty() ? server.name : server.tls.name;
    add("server", server.name + (verifies ? ", over TLS, verified as " + name : ", over HTTP"));
    std::uint64_t weights = 0;
    for (const auto& endpoint : server.endpoints) weights += endpoint.weight;
    for (const auto& endpoint : server.endpoints) {
      const bool is_ipv6 = endpoint.address.find(':') != std::string::npos;
      add("endpoint", (is_ipv6 ? '[' + endpoint.address + ']' : endpoint.address) + ':' +
                          std::to_string(endpoint.port) + ", weight " + std::to_string(endpoint.weight) + " of " +
                          std::to_string(weights));
    }
    add("answer", "the server's, with Host " + url_.host + (hold.empty() ? "" : ", when the hold lets it go"));
  }

  const Config& config_;
  const Snapshot& snapshot_;
  const CertificateTable& certificates_;
  const Url url_;
  const std::string_view method_;
  const HoldTeller& holds_;
  std::vector<ExplainedStep> steps_;
};

}  // namespace

Result<std::vector<ExplainedStep>> explain(const Config& config, const Snapshot& snapshot,
                                           const CertificateTable& certificates, std::string_view url,
                                           std::string_view method, const HoldTeller& holds) {
  auto parsed = parse_url(url);
  if (!parsed) return parsed.error();
  return Explanation(config, snapshot, certificates, std::move(*parsed), method, holds).steps();
}

std::string to_text(const std::vector<ExplainedStep>& steps) {
  std::string text;
  for (const auto& [name, value] : steps) {
    text += name + ':';
    text.append(name.size() < 12 ? 12 - name.size() : 1, ' ');
    text += value + '\n';
  }
  return text;
}

}  // namespace hybridge
