if(HYBRIDGE_SANITIZE)
  add_compile_options(-fsanitize=${HYBRIDGE_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${HYBRIDGE_SANITIZE})
endif()
