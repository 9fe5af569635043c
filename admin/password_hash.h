// Passwords as the press API keeps them: passlib's pbkdf2_sha256, so that an agent's own hash can be taken over and
// given back. `$pbkdf2-sha256$<rounds>$<salt>$<checksum>`, the last two in base64 with '.' for '+' and no padding.
//
// Pure functions, slow on purpose (milliseconds): not for a thread that serves.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace hybridge {

bool is_password_hash(std::string_view hash);

// With a new salt. kIo: the kernel has no randomness.
Result<std::string> hash_password(std::string_view password);

// Compares in constant time. Nothing fits a hash that is none.
bool fits_password(std::string_view hash, std::string_view password);

}  // namespace hybridge
