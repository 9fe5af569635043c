// A request's path as rules see it: percent-decoded, `//` merged, dot segments resolved, as nginx matches locations.
// What is sent upstream is the path as the client wrote it.
#pragma once

#include <string>
#include <string_view>

namespace hybridge::http {

// A view of `path` itself when it is normal already, else of `scratch`. A path that climbs above its root, or has a
// % without two digits behind, is left as it is there: the parser has refused it.
std::string_view normal_path(std::string_view path, std::string& scratch);

}  // namespace hybridge::http
