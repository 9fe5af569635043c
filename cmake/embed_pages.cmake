# hybridge_embed_pages(TARGET FOLDER): puts the folder's *.html into the target, so that the binary serves them without
# a file beside it; {{style}} in them stands for its style.css. This file is both: included it defines the function, run as a script it writes the source
# (OUTPUT, FOLDER).
if(CMAKE_SCRIPT_MODE_FILE)
  file(GLOB pages ${FOLDER}/*.html)
  file(READ ${FOLDER}/style.css style)
  set(source "// Generated from conf/pages.\n#include \"proxy/http/embedded_pages.h\"\n\nnamespace hybridge::http {\n\n")
  string(APPEND source "namespace {\nconstexpr EmbeddedPage kPages[] = {\n")
  foreach(page ${pages})
    get_filename_component(name ${page} NAME_WE)
    file(READ ${page} html)
    string(REPLACE "{{style}}" "\n${style}" html "${html}")
    string(APPEND source "    {\"${name}\", R\"PAGE(${html})PAGE\"},\n")
  endforeach()
  string(APPEND source "};\n}  // namespace\n\n")
  string(APPEND source "std::span<const EmbeddedPage> embedded_pages() {\n  return kPages;\n}\n\n}  // namespace hybridge::http\n")
  file(WRITE ${OUTPUT} "${source}")
  return()
endif()

set(hybridge_embed_pages_script ${CMAKE_CURRENT_LIST_FILE})
function(hybridge_embed_pages target folder)
  file(GLOB pages CONFIGURE_DEPENDS ${folder}/*.html)
  set(output ${CMAKE_BINARY_DIR}/${target}_pages.cc)
  add_custom_command(
    OUTPUT ${output}
    COMMAND ${CMAKE_COMMAND} -DOUTPUT=${output} -DFOLDER=${folder} -P ${hybridge_embed_pages_script}
    DEPENDS ${pages} ${folder}/style.css ${hybridge_embed_pages_script}
    VERBATIM)
  target_sources(${target} PRIVATE ${output})
endfunction()
