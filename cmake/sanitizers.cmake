if(HYBRIDGE_SANITIZE)
  # Some forty binaries of 100 MB each: lld links one in a tenth of the time where it is installed.
  find_program(lld_linker ld.lld)
  if(lld_linker)
    add_link_options(-fuse-ld=lld)
  endif()
  add_compile_options(-fsanitize=${HYBRIDGE_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${HYBRIDGE_SANITIZE})
  add_compile_definitions(HYBRIDGE_SANITIZED)  # compilers tell it in different ways
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang" AND HYBRIDGE_SANITIZE MATCHES "undefined")
    # clang 14 puts this check's prologue into coroutines and then cannot assemble them (LLVM issue 49689).
    add_compile_options(-fno-sanitize=function)
  endif()
endif()

if(HYBRIDGE_SANITIZE MATCHES "thread")
  # ThreadSanitizer does not know fences; Asio's locks order the same things without them.
  add_compile_definitions(BOOST_ASIO_DISABLE_FENCED_BLOCK)
endif()
