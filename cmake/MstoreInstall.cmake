# cmake --install: headers, both libraries, mstore.pc, a CMake package, programs, pages, completions.
