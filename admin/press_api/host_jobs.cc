#include "admin/press_api/host_jobs.h"

#include <algorithm>

#include "base/host_name.h"
#include "routing/json_reader.h"
#include "tls/certificate.h"

namespace hybridge {

namespace json = boost::json;

namespace {
using Kind = Change::Kind;
using PushedCertificate = Result<std::shared_ptr<const CertificateRecord>>;  // null: none was pushed

constexpr std::string_view kRemoveRedirect = "Remove Redirect on Host";

// `fullchain.pem`: a name of a file, and no more than that.
bool is_plain_file_name(std::string_view name) {
  const auto is_allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
           c == '.';
  };
  return !name.empty() && name.front() != '.' && std::all_of(name.begin(), name.end(), is_allowed);
}

// What was pushed for a host, checked. The key's file and the chain's count; others are of no use here.
PushedCertificate read_certificate(const json::object& files, std::string_view host) {
  PemPair pair;
  for (const auto& [name, content] : files) {
    if (!is_plain_file_name(name)) {
      return make_error(Reason::kInvalid, "certificate: " + in_quotes(name) +
                                              " is no name of its files (privkey.pem, fullchain.pem, chain.pem)");
    }
    const auto* text = content.if_string();
    if (!text) return make_error(Reason::kInvalid, "certificate: " + std::string(name) + " must be PEM in a string");
    if (name == "fullchain.pem") pair.chain = std::string(*text);
    if (name == "privkey.pem") pair.key = std::string(*text);
  }
  if (files.empty()) return std::shared_ptr<const CertificateRecord>();
  if (pair.chain.empty() || pair.key.empty()) {
    return make_error(Reason::kInvalid, "certificate: fullchain.pem and privkey.pem are both needed");
  }
  const auto name = normalize_host_pattern(host);
  if (!name) return name.error();
  PemPairs pairs = {std::move(pair)};
  const auto certificate = parse_certificate(pairs);
  if (!certificate) return make_error(Reason::kInvalid, "certificate: " + certificate.error().detail);
  return std::make_shared<const CertificateRecord>(make_certificate_record(*name, **certificate, std::move(pairs)));
}

PushedCertificate read_certificate_member(JobCall& call, std::string_view host) {
  const auto* files = call.object("certificate");
  return read_certificate(files ? *files : json::object(), host);
}

void put_host(Draft& draft, const std::string& name, Host host,
              const std::shared_ptr<const CertificateRecord>& certificate) {
  draft.change(put(name, std::move(host)));
  if (certificate) draft.put_certificate(certificate);
}

struct Wildcard {
  std::string name;  // `*.example.com`, as it was given
  bool code_server = false;
  PushedCertificate certificate;
};

std::vector<Wildcard> read_wildcards(JobCall& call) {
  std::vector<Wildcard> wildcards;
  const auto* list = call.body().if_array();
  const auto* nothing = call.body().if_object();
  // An empty list comes as an empty object.
  if (!list && !(nothing && nothing->empty())) call.faults.add("", "must be a list of wildcards");
  for (std::size_t i = 0; list && i < list->size(); ++i) {
    const std::vector<std::string> no_parameters;
    JobCall each(no_parameters, (*list)[i]);
    const auto domain = each.text("domain");
    auto name = domain.starts_with("*.") ? domain : "*." + domain;
    auto certificate = read_certificate_member(each, name);
    wildcards.push_back({std::move(name), each.optional_bool("code_server"), std::move(certificate)});
    for (const auto& fault : each.faults.kept()) {
      call.faults.add(json_path("[" + std::to_string(i) + "]", fault.path), fault.message);
    }
  }
  return wildcards;
}

// A host that only had its redirect is gone with it; one with a site serves that again.
void take_redirect_away(Draft& draft, const std::string& name) {
  auto host = draft.host(name);
  if (!host || host->redirect.empty()) return;
  host->redirect.clear();
  if (host->site.empty() && !host->code_server && !is_host_pattern(name)) {
    draft.change(deletion(Kind::kHost, name));
  } else {
    draft.change(put(name, std::move(*host)));
  }
}

Result<void> redirect(Draft& draft, std::vector<std::string> domains, const std::string& target) {
  const auto taken_out = std::remove(domains.begin(), domains.end(), target);
  const bool names_itself = taken_out != domains.end();
  domains.erase(taken_out, domains.end());
  if (names_itself || domains.empty()) draft.step(std::string(kRemoveRedirect));
  const auto to = normalize_host_name(target);
  if (!to) {
    if (draft.steps().empty()) draft.step("Setup Redirect on Host");
    return to.error();
  }
  if (names_itself) take_redirect_away(draft, *to);
  for (const auto& domain : domains) {
    draft.step("Setup Redirect on Host");
    const auto name = normalize_host_pattern(domain);
    if (!name) return name.error();
    auto host = draft.host(*name).value_or(Host{});
    host.redirect = *to;
    draft.change(put(*name, std::move(host)));
  }
  draft.reload();
  return {};
}
}  // namespace

Job add_host(JobCall& call) {
  auto name = call.text("name");
  auto certificate = read_certificate_member(call, name);
  return {"Add Host to Proxy",
          [name, target = call.text("target"), certificate = std::move(certificate)](Draft& draft) -> Result<void> {
            draft.step("Add Host to Proxy");
            const auto host_name = normalize_host_pattern(name);
            if (!host_name) return host_name.error();
            const auto site = normalize_host_name(target);
            if (!site) return site.error();
            if (!certificate) return certificate.error();
            auto host = draft.host(*host_name).value_or(Host{});
            host.site = *site;
            put_host(draft, *host_name, std::move(host), *certificate);
            draft.reload();
            return {};
          }};
}

Job add_wildcards(JobCall& call) {
  return {"Add Wildcard Hosts to Proxy", [wildcards = read_wildcards(call)](Draft& draft) -> Result<void> {
            draft.step("Add Wildcard Hosts to Proxy");
            for (const auto& wildcard : wildcards) {
              const auto name = normalize_host_pattern(wildcard.name);
              if (!name) return name.error();
              if (!wildcard.certificate) return wildcard.certificate.error();
              auto host = draft.host(*name).value_or(Host{});
              host.code_server = wildcard.code_server;
              put_host(draft, *name, std::move(host), *wildcard.certificate);
            }
            draft.reload();
            return {};
          }};
}

Job remove_host(JobCall& call) {
  return {"Remove Host from Proxy",
          [text = call.parameter(0)](Draft& draft) -> Result<void> {
            draft.step("Remove Host from Proxy");
            const auto name = normalize_host_pattern(text);
            if (!name) return name.error();
            draft.change(deletion(Kind::kHost, *name));
            draft.remove_certificate(*name);
            return {};
          },
          true};
}

Job setup_redirects(JobCall& call) {
  return {"Setup Redirects on Hosts", [domains = call.texts("domains"), target = call.text("target")](Draft& draft) {
            return redirect(draft, domains, target);
          }};
}

Job remove_redirects(JobCall& call) {
  return {"Remove Redirects on Hosts", [domains = call.texts("domains")](Draft& draft) -> Result<void> {
            for (const auto& domain : domains) {
              draft.step(std::string(kRemoveRedirect));
              const auto name = normalize_host_pattern(domain);
              if (!name) return name.error();
              take_redirect_away(draft, *name);
            }
            return {};
          }};
}

}  // namespace hybridge
