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
add_library(msserver STATIC ${server_sources})
target_link_libraries(msserver PUBLIC mstore_internal OpenSSL::SSL)
mstore_flags(msserver)
