#include "admin/press_api/job_calls.h"

#include <array>

#include "admin/press_api/host_jobs.h"
#include "admin/press_api/upstream_jobs.h"

namespace hybridge {

namespace {
Job reload(JobCall&, const std::string& name) {
  // What is accepted is served already: there is nothing that could be read again.
  return {name, [](Draft& draft) -> Result<void> {
            draft.reload();
            return {};
          }};
}
Job reload_nginx(JobCall& call) {
  return reload(call, "Reload NGINX Job");
}
Job reload_server(JobCall& call) {
  return reload(call, "Reload NGINX");
}

Job ping(JobCall&) {
  return {"Ping Job",
          [](Draft& draft) -> Result<void> {
            draft.step("Ping Step");
            return {};
          },
          false, R"({"message":"pong"})"};
}

constexpr auto kPost = http::Method::kPost;
constexpr auto kDelete = http::Method::kDelete;
// A name in a path stands behind what is spelled out.
constexpr std::array<JobRoute, 17> kRoutes = {{
    {kPost, "/proxy/upstreams", add_upstream},
    {kPost, "/proxy/upstreams/{upstream}/rename", rename_upstream},
    {kPost, "/proxy/upstreams/{upstream}/sites", add_sites},
    {kPost, "/proxy/upstreams/{upstream}/domains", add_domain},
    {kDelete, "/proxy/upstreams/{upstream}/sites/{site}", remove_site},
    {kPost, "/proxy/upstreams/{upstream}/sites/{site}/rename", rename_site},
    {kPost, "/proxy/upstreams/{upstream}/sites/{site}/status", set_site_status},
    {kPost, "/proxy/upstreams/{upstream}/auto-scale-site", add_secondaries},
    {kPost, "/proxy/upstreams/{upstream}/remove-auto-scale-site", remove_secondaries},
    {kPost, "/proxy/hosts", add_host},
    {kPost, "/proxy/hosts/redirects", setup_redirects},
    {kDelete, "/proxy/hosts/redirects", remove_redirects},
    {kDelete, "/proxy/hosts/{host}", remove_host},
    {kPost, "/proxy/wildcards", add_wildcards},
    {kPost, "/proxy/reload", reload_nginx},
    {kPost, "/server/reload", reload_server},
    {kPost, "/ping_job", ping},
}};
}  // namespace

std::span<const JobRoute> job_calls() {
  return kRoutes;
}

}  // namespace hybridge
