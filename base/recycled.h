// Memory of a thread that is used again and again: coroutine frames, and what a library asks for at every request.
//
// take_recycled never answers null (it throws std::bad_alloc). What one thread took another may give back: it is that
// one's then. Sanitizer builds keep nothing, so that a use after the end is found.
#pragma once

#include <cstddef>

namespace hybridge {

void* take_recycled(std::size_t bytes);                        // aligned for any type; bytes > 0
void give_recycled(void* memory, std::size_t bytes) noexcept;  // as many as were taken

}  // namespace hybridge
