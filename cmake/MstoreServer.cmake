# The room server/, a static library of its own that the programs link, not part of libmstore. It needs
# libssl; without it (or with MSTORE_SERVER=OFF) there is no target, and `mstore serve` says so.
if(NOT MSTORE_SERVER)
  return()
endif()
find_package(OpenSSL 3.0 COMPONENTS Crypto SSL)
if(NOT TARGET OpenSSL::SSL)
  message(STATUS "libssl is missing: building without the server")
  return()
endif()
file(GLOB server_sources CONFIGURE_DEPENDS server/*.c)

# The dashboard's files become part of the program.
file(GLOB ui_files CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR}/server/ui server/ui/*)
list(TRANSFORM ui_files PREPEND ${PROJECT_SOURCE_DIR}/server/ui/ OUTPUT_VARIABLE ui_paths)
add_custom_command(OUTPUT ${PROJECT_BINARY_DIR}/server_ui.c
  COMMAND ${CMAKE_COMMAND} -DOUT=${PROJECT_BINARY_DIR}/server_ui.c -DROOT=${PROJECT_SOURCE_DIR}/server/ui
    "-DFILES=${ui_files}" -P ${PROJECT_SOURCE_DIR}/cmake/EmbedFiles.cmake
  DEPENDS ${ui_paths} ${PROJECT_SOURCE_DIR}/cmake/EmbedFiles.cmake VERBATIM)

add_library(msserver STATIC ${server_sources} ${PROJECT_BINARY_DIR}/server_ui.c)
target_link_libraries(msserver PUBLIC mstore_internal OpenSSL::SSL)
mstore_flags(msserver)
