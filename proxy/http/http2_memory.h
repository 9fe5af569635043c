// Where nghttp2 has its memory from: blocks that the thread has used before. It asks for five at every request and
// gives them back in another order, many requests at a time, which a general allocator is slow with. For the codec of
// this folder.
#pragma once

#include <nghttp2/nghttp2.h>

namespace hybridge::http {

nghttp2_mem* http2_memory();  // valid for ever

}  // namespace hybridge::http
