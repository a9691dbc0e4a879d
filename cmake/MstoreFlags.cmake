# Compiler and linker flags of everything the project builds.
#   mstore_flags(target)       compile (and link) flags
#   mstore_link_flags(target)  link flags alone

set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()

set(mstore_warnings
  -Wall -Wextra -Wshadow -Wpointer-arith -Wcast-qual -Wwrite-strings -Wstrict-prototypes
  -Wmissing-prototypes -Wold-style-definition -Wvla -Wformat=2 -Wundef -Wswitch-enum
  -Wno-missing-field-initializers -Wno-gnu-statement-expression)
if(MSTORE_WERROR)
  list(APPEND mstore_warnings -Werror)
endif()
set(mstore_sanitize)
if(MSTORE_SANITIZE)
  set(mstore_sanitize -fsanitize=${MSTORE_SANITIZE} -fno-omit-frame-pointer)
  if(MSTORE_SANITIZE MATCHES "undefined")
    list(APPEND mstore_sanitize -fno-sanitize-recover=undefined)
  endif()
endif()
if(MSTORE_FUZZ)
  list(APPEND mstore_sanitize -fsanitize=fuzzer-no-link)
endif()
if(MSTORE_COVERAGE)
  list(APPEND mstore_sanitize --coverage -fprofile-update=atomic)
endif()

function(mstore_flags target)
  target_compile_options(${target} PRIVATE ${mstore_warnings} ${mstore_sanitize}
    -fstack-protector-strong -fno-strict-aliasing -fno-common)
  target_compile_definitions(${target} PRIVATE _GNU_SOURCE _FILE_OFFSET_BITS=64)
  if(CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64")
    target_compile_options(${target} PRIVATE -fcf-protection)
  endif()
  if(CMAKE_C_COMPILER_ID STREQUAL "GNU" AND NOT MSTORE_SANITIZE)
    target_compile_options(${target} PRIVATE -fstack-clash-protection)
  endif()
  if(CMAKE_BUILD_TYPE MATCHES "Rel" AND NOT MSTORE_SANITIZE)
    target_compile_definitions(${target} PRIVATE _FORTIFY_SOURCE=2)
  endif()
  mstore_link_flags(${target})
endfunction()

function(mstore_link_flags target)
  target_link_options(${target} PRIVATE ${mstore_sanitize} LINKER:-z,relro LINKER:-z,now
    LINKER:-z,noexecstack)
  if(MSTORE_LINKER)
    target_link_options(${target} PRIVATE -fuse-ld=${MSTORE_LINKER})
  endif()
endfunction()

# mstore_program(NAME SOURCE...) - an executable of ours
function(mstore_program name)
  add_executable(${name} ${ARGN})
  target_link_libraries(${name} PRIVATE mstore_internal)
  mstore_flags(${name})
endfunction()
