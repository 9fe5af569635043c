// Reason codes: which there are, and what each means, in a sentence for operators. Pure functions.
#pragma once

#include <string_view>

#include "base/error.h"

namespace hybridge {

bool is_reason(std::string_view text);       // a code as the access log has it
std::string_view meaning_of(Reason reason);  // "": the code says it all

}  // namespace hybridge
