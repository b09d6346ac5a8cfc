# Writes OUT, a header with the commit that is being built, when it has changed: cmake -DOUT=FILE -P commit.cmake
execute_process(COMMAND git describe --always --dirty WORKING_DIRECTORY "${CMAKE_CURRENT_LIST_DIR}"
                OUTPUT_VARIABLE commit ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE)
set(text "#pragma once\n#define NIBBLE_BENCH_COMMIT \"${commit}\"\n")
set(before)
if(EXISTS "${OUT}")
  file(READ "${OUT}" before)
endif()
if(NOT text STREQUAL before)
  file(WRITE "${OUT}" "${text}")
endif()
