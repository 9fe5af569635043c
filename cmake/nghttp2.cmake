# hybridge_nghttp2: HTTP/2's frames, HPACK and flow control.
find_library(nghttp2_library nghttp2 REQUIRED)
find_path(nghttp2_include nghttp2/nghttp2.h REQUIRED)
add_library(hybridge_nghttp2 INTERFACE)
target_link_libraries(hybridge_nghttp2 INTERFACE ${nghttp2_library})
target_include_directories(hybridge_nghttp2 SYSTEM INTERFACE ${nghttp2_include})
