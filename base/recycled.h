// Memory of a thread that is used again and again: coroutine frames, and what a library asks for at every request.
//
// take_recycled never answers null (it throws std::bad_alloc). What one thread took another may give back: it is that
// one's then.
#pragma once

#include <cstddef>

namespace hybridge {

// AddressSanitizer is to find each use after the end: nothing is kept where it watches.
#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool kRecycles = false;
#elif defined(__has_feature)
inline constexpr bool kRecycles = !__has_feature(address_sanitizer);
#else
inline constexpr bool kRecycles = true;
#endif

void* take_recycled(std::size_t bytes);                        // aligned for any type; bytes > 0
void give_recycled(void* memory, std::size_t bytes) noexcept;  // as many as were taken

}  // namespace hybridge
