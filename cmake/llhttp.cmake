# hybridge_llhttp: Node's HTTP parser, the judge in the differential test and in the fuzz target; never in the binary.
# Debian 13 has it as a library, Debian 12 as sources within node-llhttp.
find_library(llhttp_library llhttp)
find_path(llhttp_include llhttp.h HINTS /usr/share/include/llhttp)
find_path(llhttp_sources llhttp.c HINTS /usr/share/llhttp NO_DEFAULT_PATH)
if(llhttp_library AND llhttp_include)
  add_library(hybridge_llhttp INTERFACE)
  target_link_libraries(hybridge_llhttp INTERFACE ${llhttp_library})
  target_include_directories(hybridge_llhttp SYSTEM INTERFACE ${llhttp_include})
elseif(llhttp_sources AND llhttp_include)
  add_library(hybridge_llhttp STATIC ${llhttp_sources}/llhttp.c ${llhttp_sources}/http.c ${llhttp_sources}/api.c)
  target_include_directories(hybridge_llhttp SYSTEM PUBLIC ${llhttp_include})
  target_compile_definitions(hybridge_llhttp PUBLIC LLHTTP_STRICT_MODE=1)
  target_compile_options(hybridge_llhttp PRIVATE -w)  # generated code, not ours to mend
else()
  message(FATAL_ERROR "llhttp is needed by the tests: install node-llhttp or libllhttp-dev (tools/install-packages)")
endif()
