# hybridge_liburing: the kernel's io_uring, by the library of its makers.
find_library(liburing_library uring REQUIRED)
find_path(liburing_include liburing.h REQUIRED)
add_library(hybridge_liburing INTERFACE)
target_link_libraries(hybridge_liburing INTERFACE ${liburing_library})
target_include_directories(hybridge_liburing SYSTEM INTERFACE ${liburing_include})
