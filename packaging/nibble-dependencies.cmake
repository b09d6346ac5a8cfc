# The libraries behind nibble's targets: Threads::Threads, Eigen3::Eigen, nibble::xsimd and hwy::hwy.
# Read by our own build and by the installed package alike, so it looks everything up on the machine where it runs.
set(nibble_missing)

find_package(Threads QUIET)
if(NOT TARGET Threads::Threads)
  list(APPEND nibble_missing "a thread library")
endif()

if(NOT TARGET Eigen3::Eigen)
  find_package(Eigen3 3.4 NO_MODULE QUIET)
endif()
if(NOT TARGET Eigen3::Eigen)
  list(APPEND nibble_missing "Eigen 3.4 (Debian: libeigen3-dev)")
endif()

# xsimd is headers only. Its package in Debian 12 asks for xtl, which is not needed here: take the include folder alone.
if(NOT TARGET nibble::xsimd)
  find_path(nibble_xsimd_include xsimd/xsimd.hpp)
  mark_as_advanced(nibble_xsimd_include)
  if(nibble_xsimd_include)
    add_library(nibble::xsimd INTERFACE IMPORTED GLOBAL)
    set_target_properties(nibble::xsimd PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${nibble_xsimd_include}")
  else()
    list(APPEND nibble_missing "xsimd 8.1 (Debian: libxsimd-dev)")
  endif()
endif()

if(NOT TARGET hwy::hwy)
  find_package(hwy CONFIG QUIET)
endif()
if(NOT TARGET hwy::hwy)
  find_path(nibble_hwy_include hwy/highway.h)
  find_library(nibble_hwy_library hwy)
  mark_as_advanced(nibble_hwy_include nibble_hwy_library)
  if(nibble_hwy_include AND nibble_hwy_library)
    add_library(hwy::hwy UNKNOWN IMPORTED GLOBAL)
    set_target_properties(hwy::hwy PROPERTIES IMPORTED_LOCATION "${nibble_hwy_library}"
                                              INTERFACE_INCLUDE_DIRECTORIES "${nibble_hwy_include}")
  elseif(nibble_hwy_include AND (EMSCRIPTEN OR NOT CMAKE_SYSTEM_PROCESSOR MATCHES "x86|AMD64|amd64|i[3-6]86|arm|ARM|aarch64"))
    # a machine with one instruction set asks nothing of the processor, which is what the library is for
    add_library(hwy::hwy INTERFACE IMPORTED GLOBAL)
    set_target_properties(hwy::hwy PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${nibble_hwy_include}")
  else()
    list(APPEND nibble_missing "Highway 1.0.3 (Debian: libhwy-dev)")
  endif()
endif()

list(JOIN nibble_missing ", " nibble_missing)
