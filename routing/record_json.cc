// The values of servers, sites and hosts: what routing/snapshot_json.h says of one record.
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <algorithm>
#include <array>

#include "base/host_name.h"
#include "base/ssl_ptr.h"
#include "routing/record_reader.h"
#include "routing/snapshot_json.h"

namespace hybridge {

namespace json = boost::json;

namespace {
constexpr std::size_t kMaxEndpoints = 256;
constexpr std::uint32_t kMaxPort = 65'535;
constexpr std::uint32_t kMaxWeight = 1'000;
constexpr std::uint32_t kMaxLimit = 1'000'000;

// A member that is a name; "" when it is not there, or is none, which is a fault.
std::string take_name(const json::object& object, std::string_view key,
                      Result<std::string> (*normalize)(std::string_view), const std::string& path, Faults& faults) {
  const auto text = take_string(object, key, path, faults);
  if (!text) return {};
  auto name = normalize(*text);
  if (name) return std::move(*name);
  faults.add(json_path(path, key), name.error().detail);
  return {};
}

void require(const json::object& object, std::string_view key, const std::string& what, const std::string& path,
             Faults& faults) {
  if (!object.contains(key)) faults.add(json_path(path, key), "is missing: " + what);
}

Endpoint read_endpoint(const json::value& value, std::uint16_t default_port, const std::string& path, Faults& faults) {
  Endpoint endpoint;
  const auto* object = take_object(value, path, faults);
  if (!object) return endpoint;
  refuse_unknown_keys(*object, {"address", "port", "weight"}, path, faults);
  require(*object, "address", "a host name or an IP address", path, faults);
  endpoint.address = take_name(*object, "address", normalize_endpoint_address, path, faults);
  endpoint.port =
      static_cast<std::uint16_t>(take_number(*object, "port", 1, kMaxPort, path, faults).value_or(default_port));
  endpoint.weight = take_number(*object, "weight", 1, kMaxWeight, path, faults).value_or(1);
  return endpoint;
}

void read_endpoints(const json::object& object, Server& server, const std::string& path, Faults& faults) {
  const auto where = json_path(path, "endpoints");
  const auto* member = object.if_contains("endpoints");
  const auto* list = member ? member->if_array() : nullptr;
  if (!list || list->empty() || list->size() > kMaxEndpoints) {
    faults.add(where, R"(must be a list of 1 to 256 endpoints: [{"address":"203.0.113.7","port":80}])");
    return;
  }
  const std::uint16_t port = server.tls.mode == ServerTls::Mode::kVerify ? 443 : 80;
  for (std::size_t i = 0; i < list->size(); ++i) {
    const auto here = where + "[" + std::to_string(i) + "]";
    auto endpoint = read_endpoint((*list)[i], port, here, faults);
    const bool repeated = std::any_of(server.endpoints.begin(), server.endpoints.end(), [&](const Endpoint& other) {
      return !other.address.empty() && other.address == endpoint.address && other.port == endpoint.port;
    });
    if (repeated) faults.add(here, "has the address and port of an endpoint before it");
    server.endpoints.push_back(std::move(endpoint));
  }
}

// RFC 7468: certificates one after the other. Not a word of what OpenSSL thinks of them: only whether it can read them.
bool is_readable_pem(std::string_view text) {
  const SslPtr<BIO> bio(BIO_new_mem_buf(text.data(), static_cast<int>(std::min<std::size_t>(text.size(), 1 << 20))));
  std::size_t count = 0;
  while (const SslPtr<X509> certificate{PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)}) ++count;
  const bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  return count > 0 && at_end;
}

void read_tls(const json::object& object, Server& server, const std::string& path, Faults& faults) {
  const auto* member = object.if_contains("tls");
  if (!member) return;
  const auto where = json_path(path, "tls");
  const auto* tls = take_object(*member, where, faults);
  if (!tls) return;
  refuse_unknown_keys(*tls, {"mode", "name", "ca"}, where, faults);
  require(*tls, "mode", R"("off" or "verify")", where, faults);
  if (const auto mode = take_string(*tls, "mode", where, faults)) {
    if (*mode == "verify") {
      server.tls.mode = ServerTls::Mode::kVerify;
    } else if (*mode != "off") {
      faults.add(json_path(where, "mode"), in_quotes(*mode) + R"( is neither "off" nor "verify")");
    }
  }
  server.tls.name = take_name(*tls, "name", normalize_host_name, where, faults);
  if (const auto ca = take_string(*tls, "ca", where, faults)) {
    server.tls.ca = std::string(*ca);
    if (!is_readable_pem(*ca)) faults.add(json_path(where, "ca"), "must be certificates in PEM");
  }
}

void read_agent_and_limits(const json::object& object, Server& server, const std::string& path, Faults& faults) {
  if (const auto* member = object.if_contains("agent")) {
    const auto where = json_path(path, "agent");
    if (const auto* agent = take_object(*member, where, faults)) {
      refuse_unknown_keys(*agent, {"port"}, where, faults);
      server.agent_port =
          static_cast<std::uint16_t>(take_number(*agent, "port", 1, kMaxPort, where, faults).value_or(443));
    }
  }
  if (const auto* member = object.if_contains("limits")) {
    const auto where = json_path(path, "limits");
    if (const auto* limits = take_object(*member, where, faults)) {
      refuse_unknown_keys(*limits, {"connections", "waiting"}, where, faults);
      server.limits.connections = take_number(*limits, "connections", 1, kMaxLimit, where, faults).value_or(0);
      server.limits.waiting = take_number(*limits, "waiting", 1, kMaxLimit, where, faults).value_or(0);
    }
  }
}

void read_health(const json::object& object, Server& server, const std::string& path, Faults& faults) {
  const auto* member = object.if_contains("health");
  if (!member) return;
  const auto where = json_path(path, "health");
  const auto* health = take_object(*member, where, faults);
  if (!health) return;
  refuse_unknown_keys(*health, {"path"}, where, faults);
  const auto asked = take_string(*health, "path", where, faults);
  if (!asked) return;
  if (auto fault = health_path_fault(*asked)) return faults.add(json_path(where, "path"), std::move(*fault));
  server.health_path = *asked;
}

json::object to_json(const Server& server) {
  json::array endpoints;
  for (const auto& endpoint : server.endpoints) {
    endpoints.push_back({{"address", endpoint.address}, {"port", endpoint.port}, {"weight", endpoint.weight}});
  }
  json::object value{{"endpoints", std::move(endpoints)}};
  if (server.tls != ServerTls{}) {
    json::object tls{{"mode", server.tls.mode == ServerTls::Mode::kVerify ? "verify" : "off"}};
    if (!server.tls.name.empty()) tls["name"] = server.tls.name;
    if (!server.tls.ca.empty()) tls["ca"] = server.tls.ca;
    value["tls"] = std::move(tls);
  }
  if (server.agent_port != 443) value["agent"] = {{"port", server.agent_port}};
  if (!server.health_path.empty()) value["health"] = {{"path", server.health_path}};
  json::object limits;
  if (server.limits.connections != 0) limits["connections"] = server.limits.connections;
  if (server.limits.waiting != 0) limits["waiting"] = server.limits.waiting;
  if (!limits.empty()) value["limits"] = std::move(limits);
  return value;
}
}  // namespace

std::optional<Server> read_server(std::string_view name, const json::value& value, const std::string& path,
                                  Faults& faults) {
  const auto before = faults.count();
  const auto* object = take_object(value, path, faults);
  if (!object) return std::nullopt;
  refuse_unknown_keys(*object, {"endpoints", "tls", "agent", "limits", "health"}, path, faults);
  Server server;
  server.name = name;
  read_tls(*object, server, path, faults);
  read_endpoints(*object, server, path, faults);
  read_agent_and_limits(*object, server, path, faults);
  read_health(*object, server, path, faults);
  if (faults.count() != before) return std::nullopt;
  append_sorted_json(server.document, value);
  return server;
}

std::optional<Site> read_site(const json::value& value, const std::string& path, Faults& faults) {
  const auto before = faults.count();
  const auto* object = take_object(value, path, faults);
  if (!object) return std::nullopt;
  refuse_unknown_keys(*object, {"server", "status", "in_band"}, path, faults);
  Site site;
  require(*object, "server", "the name of the server it lives on", path, faults);
  site.server = take_name(*object, "server", normalize_endpoint_address, path, faults);
  if (const auto text = take_string(*object, "status", path, faults)) {
    const auto status = to_site_status(*text);
    site.says_status = true;
    site.status = status.value_or(SiteStatus::kActive);
    if (!status) {
      faults.add(json_path(path, "status"),
                 in_quotes(*text) + " is none of active, suspended, suspended_saas, deactivated");
    }
  }
  site.in_band = take_bool(*object, "in_band", path, faults);
  if (faults.count() != before) return std::nullopt;
  return site;
}

std::optional<Host> read_host(const json::value& value, const std::string& path, Faults& faults) {
  const auto before = faults.count();
  const auto* object = take_object(value, path, faults);
  if (!object) return std::nullopt;
  refuse_unknown_keys(*object, {"site", "redirect", "code_server"}, path, faults);
  Host host;
  host.site = take_name(*object, "site", normalize_host_name, path, faults);
  host.redirect = take_name(*object, "redirect", normalize_host_name, path, faults);
  if (const auto code_server = take_bool(*object, "code_server", path, faults)) {
    host.code_server = *code_server;
    host.says_code_server = true;
  }
  if (faults.count() != before) return std::nullopt;
  return host;
}

std::string write_server(const Server& server) {
  if (!server.document.empty()) return server.document;
  std::string out;
  append_sorted_json(out, to_json(server));
  return out;
}

// Names in the table need no escapes.
std::string write_site(const Site& site) {
  std::string out = "{";
  if (site.in_band) out.append(R"("in_band":)").append(*site.in_band ? "true," : "false,");
  out.append(R"("server":")").append(site.server) += '"';
  if (site.says_status || site.status != SiteStatus::kActive) {
    out.append(R"(,"status":")").append(to_string(site.status)) += '"';
  }
  return out += '}';
}

std::string write_host(const Host& host) {
  std::string out = "{";
  const auto comma = [&] { return out.size() > 1 ? "," : ""; };
  if (host.says_code_server || host.code_server) {
    out += R"("code_server":)";
    out += host.code_server ? "true" : "false";
  }
  if (!host.redirect.empty()) out.append(comma()).append(R"("redirect":")").append(host.redirect) += '"';
  if (!host.site.empty()) out.append(comma()).append(R"("site":")").append(host.site) += '"';
  return out += '}';
}

}  // namespace hybridge
