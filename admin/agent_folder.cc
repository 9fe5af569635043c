#include "admin/agent_folder.h"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>

#include "admin/database.h"
#include "base/host_name.h"
#include "tls/certificate.h"

namespace hybridge {

namespace fs = std::filesystem;
namespace json = boost::json;

namespace {
constexpr std::uintmax_t kMostBytes = 1 << 20;  // of a file of it
constexpr std::string_view kEndOfPem = "-----END CERTIFICATE-----\n";

Error failed(const fs::path& path, const char* what) {
  return make_error(Reason::kIo, path.string() + ": " + what + ": " + std::strerror(errno));
}

std::optional<std::string> text_of(const fs::path& path) {
  std::error_code error;
  if (!fs::is_regular_file(path, error) || fs::file_size(path, error) > kMostBytes) return std::nullopt;
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

std::string trimmed(std::string text) {
  const auto last = text.find_last_not_of(" \t\r\n");
  text.resize(last == std::string::npos ? 0 : last + 1);
  return text;
}

// An object of a file; nullopt: there is no file, or it is something else, which `notes` gets.
std::optional<json::object> object_of(const fs::path& path, std::vector<std::string>& notes) {
  const auto text = text_of(path);
  if (!text) return std::nullopt;
  boost::system::error_code error;
  auto value = json::parse(*text, error);
  if (!error && value.is_object()) return std::move(value.get_object());
  notes.push_back(path.string() + ": is not a JSON object, left out");
  return std::nullopt;
}

std::vector<fs::path> entries_of(const fs::path& directory) {
  std::error_code error;
  std::vector<fs::path> entries;
  for (auto it = fs::directory_iterator(directory, error); !error && it != fs::directory_iterator();
       it.increment(error)) {
    entries.push_back(it->path());
  }
  return entries;
}

class Reader {
 public:
  explicit Reader(fs::path root) : root_(std::move(root)) {}

  Result<AgentFolder> read() && {
    std::error_code error;
    if (!fs::is_directory(root_ / "nginx" / "upstreams", error)) {
      return make_error(Reason::kIo, root_.string() + ": is no folder of an agent: it has no nginx/upstreams");
    }
    read_upstreams();
    read_secondaries();
    for (const auto& directory : entries_of(root_ / "nginx" / "hosts")) read_host(directory);
    if (const auto config = object_of(root_ / "config.json", folder_.notes)) {
      const auto* token = config->if_contains("access_token");
      if (token && token->is_string()) folder_.access_token = std::string(token->get_string());
    }
    read_jobs();
    folder_.snapshot = std::move(builder_).build(0);
    return std::move(folder_);
  }

 private:
  void leave_out(const fs::path& path, const std::string& why) {
    folder_.notes.push_back(path.string() + ": " + why + ", left out");
  }

  void read_upstreams() {
    for (const auto& directory : entries_of(root_ / "nginx" / "upstreams")) {
      std::error_code error;
      if (!fs::is_directory(directory, error)) continue;
      const auto name = normalize_endpoint_address(directory.filename().string());
      if (!name) {
        leave_out(directory, name.error().detail);
        continue;
      }
      auto& server = servers_.emplace_back();
      server.name = *name;
      server.endpoints = {{*name, 80, 1}};
      for (const auto& file : entries_of(directory)) read_site(*name, file);
    }
  }

  void read_site(const std::string& server, const fs::path& file) {
    const auto name = normalize_host_name(file.filename().string());
    const auto text = text_of(file);
    if (!name || !text) return leave_out(file, name ? "cannot be read" : name.error().detail);
    const auto status = to_site_status(trimmed(*text));
    builder_.set_site(*name, {.server = server, .status = status.value_or(SiteStatus::kActive)});
  }

  void read_secondaries() {
    const auto file = root_ / "nginx" / "secondaries.json";
    const auto secondaries = object_of(file, folder_.notes);
    for (auto& server : servers_) {
      const auto* list = secondaries ? secondaries->if_contains(server.name) : nullptr;
      if (list && list->is_array()) {
        for (const auto& each : list->get_array()) add_endpoints(server, each, file);
      }
      builder_.set_server(std::move(server));
    }
  }

  void add_endpoints(Server& server, const json::value& value, const fs::path& file) {
    if (!value.is_object()) return leave_out(file, "a secondary is not {address: weight}");
    for (const auto& [key, weight] : value.get_object()) {
      const auto address = normalize_endpoint_address(key);
      const bool is_weight = weight.is_int64() && weight.get_int64() > 0 && weight.get_int64() <= 1000;
      if (address && is_weight) {
        server.endpoints.push_back({*address, 80, static_cast<std::uint32_t>(weight.get_int64())});
      } else {
        leave_out(file, "a secondary is not {address: weight}");
      }
    }
  }

  void read_host(const fs::path& directory) {
    std::error_code error;
    if (!fs::is_directory(directory, error)) return;
    const auto name = normalize_host_pattern(directory.filename().string());
    if (!name) return leave_out(directory, name.error().detail);
    Host host;
    host.code_server = fs::exists(directory / "codeserver", error);
    bool is_host = is_host_pattern(*name);
    if (const auto map = object_of(directory / "map.json", folder_.notes)) {
      const auto* site = map->if_contains(directory.filename().string());
      // `$host` says: any site by its own name.
      if (site && site->is_string() && site->get_string() != "$host") host.site = name_in(*site, directory);
      is_host = true;
    }
    if (const auto redirects = object_of(directory / "redirect.json", folder_.notes)) {
      for (const auto& [from, to] : *redirects) {
        const auto target = name_in(to, directory);
        const auto source = normalize_host_pattern(from);
        if (!source || target.empty()) continue;
        if (*source == *name) {
          host.redirect = target;
          is_host = true;
        } else {
          Host other;  // a wildcard's directory may hold those of names below it
          other.redirect = target;
          builder_.set_host(*source, std::move(other));
        }
      }
    }
    if (is_host) builder_.set_host(*name, std::move(host));
    read_certificate(directory, *name);
  }

  std::string name_in(const json::value& value, const fs::path& directory) {
    auto name = normalize_host_name(value.is_string() ? std::string_view(value.get_string()) : std::string_view());
    if (name) return std::move(*name);
    leave_out(directory, name.error().detail);
    return {};
  }

  void read_certificate(const fs::path& directory, const std::string& name) {
    const auto chain = text_of(directory / "fullchain.pem");
    const auto key = text_of(directory / "privkey.pem");
    if (!chain || !key) return;
    std::error_code error;
    if (fs::is_symlink(directory / "fullchain.pem", error)) {
      folder_.notes.push_back(directory.string() +
                              ": its certificate is a link to files that others replace: name them " +
                              "in the configuration (default_certificate: {chain: " +
                              fs::canonical(directory / "fullchain.pem", error).string() +
                              ", key: " + fs::canonical(directory / "privkey.pem", error).string() + "})");
      return;
    }
    PemPairs pairs = {{*chain, *key}};
    const auto certificate = parse_certificate(pairs);
    if (!certificate) return leave_out(directory, "its certificate cannot be used: " + certificate.error().detail);
    folder_.certificates.push_back(make_certificate_record(name, **certificate, std::move(pairs)));
  }

  void read_jobs() {
    const auto path = root_ / "jobs.sqlite3";
    std::error_code error;
    if (!fs::exists(path, error)) return;
    const auto database = Database::open(path.string(), Database::Access::kReadOnly);
    const auto highest = database ? (*database)->number("SELECT coalesce(max(id), 0) FROM jobmodel")
                                  : Result<std::int64_t>(database.error());
    if (highest) {
      folder_.highest_job = *highest;
    } else {
      folder_.notes.push_back(path.string() + ": " + highest.error().detail + "; new jobs count from 1,000,001");
    }
  }

  const fs::path root_;
  AgentFolder folder_;
  std::vector<Server> servers_;
  Snapshot::Builder builder_;
};

class Writer {
 public:
  Writer(fs::path root, std::vector<std::string>& notes) : root_(std::move(root)), notes_(notes) {}

  Result<void> write(const AgentFolder& folder) {
    std::error_code error;
    if (fs::exists(root_, error) && !entries_of(root_).empty()) {
      return make_error(Reason::kConflict, root_.string() + ": is not empty");
    }
    const auto& snapshot = folder.snapshot;
    json::object secondaries;
    snapshot.for_each_server([&](const std::shared_ptr<const Server>& server) { put_server(*server, secondaries); });
    snapshot.for_each_site([&](const std::string& name, const Site& site) {
      const bool is_active = site.status == SiteStatus::kActive;
      put(root_ / "nginx" / "upstreams" / site.server / name, is_active ? "" : std::string(to_string(site.status)));
    });
    snapshot.for_each_host([&](const std::string& name, const Host& host) { put_host(name, host); });
    for (const auto& certificate : folder.certificates) put_certificate(certificate);
    if (!secondaries.empty()) put(root_ / "nginx" / "secondaries.json", json::serialize(secondaries));
    make(root_ / "nginx" / "hosts");
    json::object config;
    if (!folder.access_token.empty()) config["access_token"] = folder.access_token;
    put(root_ / "config.json", json::serialize(config));
    if (!snapshot.rules()->empty()) notes_.push_back("rules have no place in an agent's folder");
    if (!error_.empty()) return make_error(Reason::kIo, error_);
    return {};
  }

 private:
  void make(const fs::path& directory) {
    std::error_code error;
    fs::create_directories(directory, error);
    if (error && error_.empty()) error_ = directory.string() + ": " + error.message();
  }

  void put(const fs::path& path, const std::string& text) {
    make(path.parent_path());
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file << text;
    file.close();
    if (!file && error_.empty()) error_ = failed(path, "cannot be written").detail;
  }

  void put_server(const Server& server, json::object& secondaries) {
    make(root_ / "nginx" / "upstreams" / server.name);
    const auto& primary = server.endpoints.front();
    if (primary.address != server.name || primary.port != 80 || server.tls.mode != ServerTls::Mode::kOff) {
      notes_.push_back("server " + server.name +
                       ": an agent knows only servers whose name is their address, on port 80 " + "over HTTP");
    }
    json::array others;
    for (std::size_t i = 1; i < server.endpoints.size(); ++i) {
      others.push_back(json::object{{server.endpoints[i].address, server.endpoints[i].weight}});
    }
    if (!others.empty()) secondaries[server.name] = std::move(others);
  }

  void put_host(const std::string& name, const Host& host) {
    const auto directory = root_ / "nginx" / "hosts" / name;
    make(directory);
    const bool is_pattern = is_host_pattern(name);
    if (!host.site.empty() || is_pattern) {
      put(directory / "map.json", json::serialize(json::object{{name, host.site.empty() ? "$host" : host.site}}));
    }
    if (!host.redirect.empty()) put(directory / "redirect.json", json::serialize(json::object{{name, host.redirect}}));
    if (host.code_server) put(directory / "codeserver", "");
  }

  void put_certificate(const CertificateRecord& certificate) {
    const auto directory = root_ / "nginx" / "hosts" / certificate.facts.host;
    const auto& pair = certificate.pairs.front();
    if (certificate.pairs.size() > 1) {
      notes_.push_back("host " + certificate.facts.host + ": of its two certificates the first is written");
    }
    const auto leaf = pair.chain.find(kEndOfPem);
    put(directory / "fullchain.pem", pair.chain);
    put(directory / "chain.pem", leaf == std::string::npos ? "" : pair.chain.substr(leaf + kEndOfPem.size()));
    put(directory / "privkey.pem", pair.key);
    std::error_code ignored;
    fs::permissions(directory / "privkey.pem", fs::perms::owner_read | fs::perms::owner_write, ignored);
  }

  const fs::path root_;
  std::vector<std::string>& notes_;
  std::string error_;
};
}  // namespace

Result<AgentFolder> read_agent_folder(const std::string& directory) {
  return Reader(directory).read();
}

Result<void> write_agent_folder(const std::string& directory, const AgentFolder& folder,
                                std::vector<std::string>& notes) {
  return Writer(directory, notes).write(folder);
}

}  // namespace hybridge
