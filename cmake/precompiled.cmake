# hybridge_precompile(TARGET OWNER HEADERS...): the target reads the headers that nobody here changes once and for all
# (option HYBRIDGE_PCH). The first target, which is OWNER itself, precompiles them; the others take them from it.
#
# The sanitizers' presets and the release build of tools/test use this, because it saves them a third of their time; the
# fuzzers and what is shipped are built without, so that a file that forgets an include is found.
set(hybridge_precompiled_headers
    <algorithm> <array> <atomic> <charconv> <chrono> <coroutine> <cstdint> <cstring> <deque> <functional> <map> <memory>
    <mutex> <optional> <span> <string> <string_view> <thread> <unordered_map> <utility> <variant> <vector>
    <boost/intrusive/list.hpp> <boost/system/result.hpp>)

function(hybridge_precompile target owner)
  if(NOT HYBRIDGE_PCH)
    return()
  endif()
  if(target STREQUAL owner)
    target_precompile_headers(${target} PRIVATE ${hybridge_precompiled_headers} ${ARGN})
  else()
    target_precompile_headers(${target} REUSE_FROM ${owner})
  endif()
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # g++ 12 forgets which of them are the system's, whose code it would not warn of: it sees ghosts where it inlines
    # std::string at -O2. -fpch-preprocess is for ccache.
    set(options -fpch-preprocess -Wno-array-bounds -Wno-stringop-overflow -Wno-stringop-overread)
    target_compile_options(${target} PRIVATE "$<$<COMPILE_LANGUAGE:CXX>:${options}>")
  endif()
endfunction()
