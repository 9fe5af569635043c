# hybridge_re2: regular expressions whose cost is linear, whatever the text. Debian 12's package has no CMake files.
find_library(re2_library re2 REQUIRED)
find_path(re2_include re2/re2.h REQUIRED)
add_library(hybridge_re2 INTERFACE)
target_link_libraries(hybridge_re2 INTERFACE ${re2_library})
target_include_directories(hybridge_re2 SYSTEM INTERFACE ${re2_include})
