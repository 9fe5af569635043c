#include <array>

#include "admin/press_api/hold_calls.h"
#include "admin/press_api/host_jobs.h"
#include "admin/press_api/press_api.h"
#include "admin/press_api/press_routes.h"
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

struct JobRoute {
  http::Method method;
  std::string_view pattern;
  Job (*read)(JobCall&);
};

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

void run_job(JobRunner& runner, const JobRoute& route, const ApiRequest& request, Answered answered) {
  Job job;
  auto refusal = read_call(request, PressApi::kBodyBytes, [&](JobCall& call) { job = route.read(call); });
  if (refusal) return answered(std::move(*refusal));
  runner.run(request, std::move(job), std::move(answered));
}

// The calls that mean something for a site that is held.
void run_with_holds(HoldRegistry& holds, JobRunner& runner, const JobRoute& route, const ApiRequest& request,
                    Answered answered) {
  RunCall run = [&runner, &route, request](Answered done) { run_job(runner, route, request, std::move(done)); };
  if (route.read == set_site_status) return run_status_call(holds, request, std::move(run), std::move(answered));
  if (route.read == rename_site) return run_rename_call(holds, request, run, std::move(answered));
  run(std::move(answered));
}
}  // namespace

void add_job_routes(std::vector<ApiRoute>& routes, JobRunner& runner, HoldRegistry* holds) {
  for (const auto& route : kRoutes) {
    routes.push_back({.method = route.method,
                      .pattern = route.pattern,
                      .body_limit = PressApi::kBodyBytes,
                      .run = [&runner, &route, holds](const ApiRequest& request, Answered answered) {
                        if (!holds) return run_job(runner, route, request, std::move(answered));
                        run_with_holds(*holds, runner, route, request, std::move(answered));
                      }});
  }
  if (holds) add_hold_calls(routes, runner, *holds);
}

}  // namespace hybridge
