# What `cmake --install` puts where, and the Debian package that CPack makes of it (tools/package).
include(GNUInstallDirs)

set(doc_dir ${CMAKE_INSTALL_DATAROOTDIR}/doc/hybridge)
find_program(gzip gzip REQUIRED)

# hybridge_install_compressed(FILE NAME FOLDER): as policy wants manual pages and changelogs.
function(hybridge_install_compressed file name folder)
  set(compressed ${CMAKE_BINARY_DIR}/packaging/${name}.gz)
  file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/packaging)
  execute_process(COMMAND ${gzip} -9nc ${file} OUTPUT_FILE ${compressed} COMMAND_ERROR_IS_FATAL ANY)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
  install(FILES ${compressed} DESTINATION ${folder})
endfunction()

install(TARGETS hybridge RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(FILES conf/hybridge.yaml DESTINATION /etc/hybridge)
install(FILES packaging/logrotate DESTINATION /etc/logrotate.d RENAME hybridge)
# Debian 12 still has its units below /lib; 13 has merged the two for good.
set(unit_dir /lib/systemd/system)
if(EXISTS /etc/debian_version)
  file(READ /etc/debian_version debian_version)
  if(NOT debian_version VERSION_LESS 13)
    set(unit_dir /usr/lib/systemd/system)
  endif()
endif()
install(FILES conf/hybridge.service DESTINATION ${unit_dir})
install(FILES packaging/copyright DESTINATION ${doc_dir})
install(FILES conf/alerts.yml conf/grafana.json docs/API.md docs/OPERATIONS.md DESTINATION ${doc_dir} OPTIONAL)
install(FILES packaging/lintian-overrides DESTINATION ${CMAKE_INSTALL_DATAROOTDIR}/lintian/overrides RENAME hybridge)
hybridge_install_compressed(${CMAKE_SOURCE_DIR}/packaging/changelog changelog ${doc_dir})
hybridge_install_compressed(${CMAKE_SOURCE_DIR}/docs/hybridge.8 hybridge.8 ${CMAKE_INSTALL_MANDIR}/man8)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME hybridge)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_SET_DESTDIR ON)
set(CPACK_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE
                                                WORLD_READ WORLD_EXECUTE)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_MAINTAINER "Hybridge maintainers <maintainers@hybridge.example>")
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "edge reverse proxy that holds a site's requests while it moves")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION "Hybridge terminates TLS for customers' domains, finds each site's
server in a table that a control plane pushes, and carries requests there
and answers back. Changes of the table cost nobody a connection; a site
that is migrated has its requests held and let go in order, so that its
users see no error.")
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "adduser, ca-certificates, init-system-helpers (>= 1.52)")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "logrotate")
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
    "${CMAKE_SOURCE_DIR}/packaging/postinst;${CMAKE_SOURCE_DIR}/packaging/prerm;${CMAKE_SOURCE_DIR}/packaging/postrm;${CMAKE_SOURCE_DIR}/packaging/conffiles")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
include(CPack)
