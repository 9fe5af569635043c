// What a reason code means, in a sentence for operators. Pure function.
#pragma once

#include <string_view>

#include "base/error.h"

namespace hybridge {

std::string_view meaning_of(Reason reason);  // "": the code says it all

}  // namespace hybridge
