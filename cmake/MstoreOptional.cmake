# Libraries that mstore does without when they are missing: what needs them then answers
# MS_ERR_UNSUPPORTED and names the package.
#   mstore_optional            targets to link
#   mstore_optional_packages   their pkg-config names, for mstore.pc
#   mstore_optional_flags()    tells the files that use them that they are there
set(mstore_optional)
set(mstore_optional_packages)
set(mstore_optional_find "")

# mstore_optional(NAME PACKAGE FILE DEFINITION)
function(mstore_optional name package file definition)
  if(NOT MSTORE_${name})
    return()
  endif()
  pkg_check_modules(${name} IMPORTED_TARGET ${package})
  if(NOT ${name}_FOUND)
    message(STATUS "${package} is missing: building without it")
    return()
  endif()
  set(mstore_optional ${mstore_optional} PkgConfig::${name} PARENT_SCOPE)
  string(REGEX REPLACE "[<>=].*" "" module ${package})
  set(mstore_optional_packages "${mstore_optional_packages} ${module}" PARENT_SCOPE)
  set(mstore_optional_find
    "${mstore_optional_find}pkg_check_modules(${name} REQUIRED IMPORTED_TARGET ${package})\n" PARENT_SCOPE)
  set_property(GLOBAL APPEND PROPERTY mstore_optional_files "${file}:${definition}")
endfunction()

mstore_optional(ISAL libisal>=2.30 mstore/erasure.c MSTORE_HAVE_ISAL)
mstore_optional(ZSTD libzstd>=1.4 mstore/frame_block.c MSTORE_HAVE_ZSTD)

function(mstore_optional_flags)
  get_property(entries GLOBAL PROPERTY mstore_optional_files)
  foreach(entry IN LISTS entries)
    string(REPLACE ":" ";" entry ${entry})
    list(GET entry 0 file)
    list(GET entry 1 definition)
    set_property(SOURCE ${file} DIRECTORY ${PROJECT_SOURCE_DIR}
      APPEND PROPERTY COMPILE_DEFINITIONS ${definition}=1)
  endforeach()
endfunction()
