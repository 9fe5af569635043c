// The password of HTTP Basic (RFC 7617), whoever the user is.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace hybridge {

// Of what stands behind the scheme; nullopt: it is no base64 of `user:password`.
std::optional<std::string> password_of_basic(std::string_view credentials);

}  // namespace hybridge
