// Memory of a thread that is used again and again: coroutine frames, and what a library asks for at every request.
//
// Blocks are rounded up to 64 bytes; up to 4 KiB they are kept for reuse, 256 of each size and thread, until the thread
// ends. Never null: std::bad_alloc is thrown. A block may be given back by another thread than took it, which keeps it.
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

void* take_recycled(std::size_t bytes);                        // aligned as by operator new; bytes > 0
void give_recycled(void* memory, std::size_t bytes) noexcept;  // as many as were taken

}  // namespace hybridge
