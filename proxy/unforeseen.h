// What becomes of an exception on the way of a request: the data plane throws nothing itself, but memory may be out,
// and we may be mistaken. Either is one request's end, not the process's.
//
// Caught where one story ends and in each coroutine that runs beside it (base/sibling.h), so that nobody is left behind
// who refers to what has been unwound.
#pragma once

#include <exception>

#include "base/error.h"

namespace hybridge {

// Says so in the process log. kInternal.
Error unforeseen(const std::exception& thrown);

}  // namespace hybridge
