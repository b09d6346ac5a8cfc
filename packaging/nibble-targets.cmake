# NIBBLE_TARGETS: a list of Highway's names of instruction sets, of which "native" is the best of this machine; see
# kernels/target_macros.hpp. NIBBLE_FORMATS: a list of names of weight formats; see kernels/compiled_formats.hpp.

cmake_minimum_required(VERSION 3.22)

# nibble_target_definition(RESULT LIST): the macro that means this list, or nothing if it is empty.
function(nibble_target_definition result list)
  set(known AVX10_2 AVX3_SPR AVX3_ZEN4 AVX3_DL AVX3 AVX2 SSE4 SSSE3 SSE2 NEON_BF16 NEON NEON_WITHOUT_AES WASM EMU128)
  if("native" IN_LIST list)
    nibble_best_target(best)
    if(NOT best IN_LIST known)
      set(best EMU128)  # no kernels are made for it, but there is scalar code
    endif()
    list(TRANSFORM list REPLACE "^native$" "${best}")
    list(REMOVE_DUPLICATES list)
  endif()
  foreach(target IN LISTS list)
    if(NOT target IN_LIST known)
      list(JOIN known " " known)
      message(FATAL_ERROR "NIBBLE_TARGETS: ${target} is none of native ${known}")
    endif()
  endforeach()
  list(TRANSFORM list PREPEND "HWY_")
  list(JOIN list "|" bits)
  if(bits)
    set(bits "NIBBLE_TARGETS=(${bits})")
  endif()
  set(${result} "${bits}" PARENT_SCOPE)
endfunction()

# The best target of the processor that this runs on, as Highway names it.
function(nibble_best_target result)
  if(NOT DEFINED NIBBLE_NATIVE_TARGET)
    set(source "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/best_target.cpp")
    try_run(nibble_best_target_exit nibble_best_target_compiled "${CMAKE_CURRENT_BINARY_DIR}/best_target" "${source}" LINK_LIBRARIES hwy::hwy
            CXX_STANDARD 20 COMPILE_OUTPUT_VARIABLE errors RUN_OUTPUT_VARIABLE name)
    if(NOT nibble_best_target_compiled OR NOT nibble_best_target_exit EQUAL 0)
      message(FATAL_ERROR "NIBBLE_TARGETS: native needs a processor that runs what is compiled here; name a target instead. ${errors}")
    endif()
    unset(nibble_best_target_exit CACHE)
    unset(nibble_best_target_compiled CACHE)
    set(NIBBLE_NATIVE_TARGET "${name}" CACHE INTERNAL "The best target of this machine")
  endif()
  set(${result} "${NIBBLE_NATIVE_TARGET}" PARENT_SCOPE)
endfunction()

# nibble_format_definition(RESULT LIST): the macro that means this list of formats, or nothing if it is empty.
function(nibble_format_definition result list)
  set(types "")
  foreach(name IN LISTS list)
    string(TOLOWER "${name}" type)
    file(GLOB header "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/../include/nibble/quant/${type}.hpp")
    if(NOT header OR NOT name MATCHES "[0-9]")  # other files of that folder have names without numbers
      message(FATAL_ERROR "NIBBLE_FORMATS: ${name} is no weight format such as Q4_K")
    endif()
    list(APPEND types "${type}")
  endforeach()
  if(types)
    list(JOIN types "," types)
    set(types "NIBBLE_FORMATS=${types}")
  endif()
  set(${result} "${types}" PARENT_SCOPE)
endfunction()
