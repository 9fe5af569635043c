#include "admin/basic_password.h"

#include "base/base64.h"

namespace hybridge {

std::optional<std::string> password_of_basic(std::string_view credentials) {
  const auto plain = decode_base64(credentials);
  const auto colon = plain ? plain->find(':') : std::string::npos;
  if (colon == std::string::npos) return std::nullopt;
  return plain->substr(colon + 1);
}

}  // namespace hybridge
