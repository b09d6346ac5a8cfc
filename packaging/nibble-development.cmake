# What our own build adds around the library: build type, compiler cache, warnings, sanitizers. None of it reaches a host.

function(nibble_default_to_release)
  get_property(several GLOBAL PROPERTY GENERATOR_IS_MULTI_CONFIG)
  if(NOT several AND NOT CMAKE_BUILD_TYPE)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "Debug, Release, RelWithDebInfo or MinSizeRel" FORCE)
  endif()
endfunction()

function(nibble_use_ccache)
  find_program(nibble_ccache ccache)
  mark_as_advanced(nibble_ccache)
  if(nibble_ccache AND NOT DEFINED CMAKE_CXX_COMPILER_LAUNCHER AND NOT DEFINED NIBBLE_CCACHE_WORKS)
    # not where it cannot write, such as for a user without a folder of its own
    file(WRITE "${PROJECT_BINARY_DIR}/ccache/empty.cpp" "")
    execute_process(COMMAND "${nibble_ccache}" "${CMAKE_CXX_COMPILER}" -c empty.cpp -o empty.o WORKING_DIRECTORY "${PROJECT_BINARY_DIR}/ccache"
                    RESULT_VARIABLE failed OUTPUT_QUIET ERROR_QUIET)
    string(COMPARE EQUAL "${failed}" "0" works)
    set(NIBBLE_CCACHE_WORKS ${works} CACHE INTERNAL "Whether a compiler cache is there and can be written")
  endif()
  if(NIBBLE_CCACHE_WORKS AND NOT DEFINED CMAKE_CXX_COMPILER_LAUNCHER)
    set(sloppiness CCACHE_SLOPPINESS=pch_defines,time_macros)  # else what includes a precompiled header is not kept
    set(CMAKE_CXX_COMPILER_LAUNCHER "${CMAKE_COMMAND}" -E env "${sloppiness}" "${nibble_ccache}" PARENT_SCOPE)
  endif()
endfunction()

# What a compiler does not know, or cannot have together, is said here, and not by every file.
function(nibble_add_sanitizers list)
  if(list)
    include(CheckCXXCompilerFlag)
    string(MAKE_C_IDENTIFIER "NIBBLE_HAS_SANITIZERS_${list}" has)
    set(CMAKE_REQUIRED_LINK_OPTIONS "-fsanitize=${list}")
    set(CMAKE_REQUIRED_QUIET ON)
    check_cxx_compiler_flag("-fsanitize=${list}" ${has})
    if(NOT ${has})
      message(FATAL_ERROR "NIBBLE_SANITIZE: ${CMAKE_CXX_COMPILER} builds nothing with -fsanitize=${list}; expected names of its own, and "
                          "commas between them, such as address,undefined")
    endif()
    add_compile_options(-fsanitize=${list} -fno-sanitize-recover=all -fno-omit-frame-pointer -g1
                        $<$<CXX_COMPILER_ID:Clang,AppleClang>:-Wno-pass-failed>)  # loops that stay loops under a sanitizer
    add_link_options(-fsanitize=${list})
  endif()
endfunction()

# The warnings under which our headers are clean; and those of our own programs, where a size may be written as a plain number
# (to clang, that is part of -Wconversion; to g++, it is not). g++ 12 sees overlaps in std::string that are not there (its bug
# 105651).
if(MSVC)
  set(nibble_header_warnings /W4 /permissive-)
  set(nibble_program_warnings ${nibble_header_warnings} $<$<BOOL:${NIBBLE_WERROR}>:/WX>)
else()
  set(nibble_header_warnings -Wall -Wextra -Wconversion -Wshadow)
  set(nibble_program_warnings ${nibble_header_warnings} -Wno-sign-conversion $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>
                              $<$<BOOL:${NIBBLE_WERROR}>:-Werror>)
endif()

# Strict warnings, plain C++20, the whole library.
function(nibble_compile_as_program name)
  target_link_libraries(${name} PRIVATE nibble::nibble)
  target_compile_options(${name} PRIVATE ${nibble_program_warnings} ${nibble_code_flags})
  set_target_properties(${name} PROPERTIES CXX_EXTENSIONS OFF)
endfunction()

# nibble_test_says(NAME ENDS SAYS PROGRAM ARGUMENTS...): a target that says what fits an expression, and ends with a status: 0, or failure.
function(nibble_test_says name ends says program)
  add_test(NAME ${name} COMMAND "${CMAKE_COMMAND}" -D "ENDS=${ends}" -D "SAYS=${says}" -P "${PROJECT_SOURCE_DIR}/tests/support/says.cmake" --
                                ${CMAKE_CROSSCOMPILING_EMULATOR} $<TARGET_FILE:${program}> ${ARGN})
endfunction()

# An executable of this repository.
function(nibble_add_program name)
  add_executable(${name} ${ARGN})
  nibble_compile_as_program(${name})
  target_link_options(${name} PRIVATE $<$<PLATFORM_ID:Linux>:-Wl,--gc-sections>)
  if(WIN32)  # arguments, names of files and the console are UTF-8
    target_sources(${name} PRIVATE "${PROJECT_SOURCE_DIR}/packaging/windows/utf8.cpp")
    if(MSVC)
      target_sources(${name} PRIVATE "${PROJECT_SOURCE_DIR}/packaging/windows/utf8.manifest")
    else()
      target_sources(${name} PRIVATE "${PROJECT_SOURCE_DIR}/packaging/windows/utf8.rc")
    endif()
  endif()
endfunction()
