# cmake --install: headers, both libraries, mstore.pc, a CMake package, programs, pages, completions.
include(CMakePackageConfigHelpers)

install(DIRECTORY include/mstore DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(TARGETS mstore_shared mstore_static EXPORT mstoreTargets
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT mstoreTargets NAMESPACE mstore:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/mstore)

configure_package_config_file(cmake/mstoreConfig.cmake.in ${CMAKE_CURRENT_BINARY_DIR}/mstoreConfig.cmake
  INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/mstore)
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/mstoreConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/mstoreConfig.cmake
              ${CMAKE_CURRENT_BINARY_DIR}/mstoreConfigVersion.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/mstore)

# mstore.pc finds the rest from where it lies, wherever that is installed.
file(RELATIVE_PATH mstore_pc_prefix /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
string(REGEX REPLACE "/$" "" mstore_pc_prefix "\${pcfiledir}/${mstore_pc_prefix}")
configure_file(cmake/mstore.pc.in ${CMAKE_CURRENT_BINARY_DIR}/mstore.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/mstore.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

foreach(program mstore mstore-stats borgstore-server-rest)
  if(TARGET ${program})
    install(TARGETS ${program} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  endif()
endforeach()
file(GLOB pages docs/man/*.1)
install(FILES ${pages} DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
if(EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/tools/completion/mstore)
  install(FILES tools/completion/mstore
    DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
  install(FILES tools/completion/_mstore DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
endif()
if(TARGET msserver)
  configure_file(server/systemd/mstore-serve.service.in ${CMAKE_CURRENT_BINARY_DIR}/mstore-serve.service @ONLY)
  install(FILES ${CMAKE_CURRENT_BINARY_DIR}/mstore-serve.service server/systemd/mstore-serve.socket
    DESTINATION lib/systemd/system)
  install(FILES server/systemd/mstore.sysusers DESTINATION lib/sysusers.d RENAME mstore.conf)
  install(FILES server/examples/nginx.conf DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples)
endif()
install(FILES LICENSE README.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
