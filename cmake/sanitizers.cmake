if(HYBRIDGE_SANITIZE)
  add_compile_options(-fsanitize=${HYBRIDGE_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${HYBRIDGE_SANITIZE})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang" AND HYBRIDGE_SANITIZE MATCHES "undefined")
    # clang 14 puts this check's prologue into coroutines and then cannot assemble them (LLVM issue 49689).
    add_compile_options(-fno-sanitize=function)
  endif()
endif()
