// The description of the admin API that it gives of itself: an OpenAPI 3.1 document, made of the table of routes that
// is served, so that it can neither forget a call nor invent one. Pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "admin/api_route.h"

namespace hybridge {

std::string write_openapi(const std::vector<ApiRoute>& routes, std::string_view version);

// Adds GET /v1/openapi.json, which describes the routes that are there and itself: the last to be added.
void add_openapi_route(std::vector<ApiRoute>& routes, std::string_view version);

// The schemas that routes name in `takes` and `gives`: the members of a JSON object, without its braces
// (admin/openapi_schemas.cc).
extern const std::string_view kOpenApiSchemas;

}  // namespace hybridge
