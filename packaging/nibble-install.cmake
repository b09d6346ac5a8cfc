# Headers, what is compiled, a relocatable package for find_package(nibble), and nibble.pc.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(nibble_package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/nibble")
target_include_directories(nibble_headers INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/nibble" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" FILES_MATCHING PATTERN "*.hpp")
install(TARGETS nibble nibble_headers nibble_kernels EXPORT nibble-targets ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
install(EXPORT nibble-targets NAMESPACE nibble:: DESTINATION "${nibble_package_dir}")

configure_package_config_file("${CMAKE_CURRENT_LIST_DIR}/nibble-config.cmake.in" nibble-config.cmake
                              INSTALL_DESTINATION "${nibble_package_dir}")
write_basic_package_version_file(nibble-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/nibble-config.cmake" "${CMAKE_CURRENT_BINARY_DIR}/nibble-config-version.cmake"
              "${CMAKE_CURRENT_LIST_DIR}/nibble-dependencies.cmake" DESTINATION "${nibble_package_dir}")

# From ${libdir}/pkgconfig to the prefix, so that a moved tree still answers.
file(RELATIVE_PATH nibble_pc_to_prefix "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
set(nibble_pc_flags "")
if(NIBBLE_CHECKED)
  set(nibble_pc_flags " -DNIBBLE_CHECKED=1")
endif()
# Highway and xsimd are asked for by name where they have files for that.
set(nibble_pc_requires "eigen3 >= 3.4")
set(nibble_pc_libs "-lhwy")
find_package(PkgConfig QUIET)
if(PKG_CONFIG_FOUND)
  pkg_check_modules(NIBBLE_PC_HWY QUIET libhwy)
  pkg_check_modules(NIBBLE_PC_XSIMD QUIET xsimd)
  if(NIBBLE_PC_HWY_FOUND)
    string(APPEND nibble_pc_requires ", libhwy >= 1.0.3")
    set(nibble_pc_libs "")
  endif()
  if(NIBBLE_PC_XSIMD_FOUND)
    string(APPEND nibble_pc_requires ", xsimd >= 8.1")
  endif()
endif()
configure_file("${CMAKE_CURRENT_LIST_DIR}/nibble.pc.in" nibble.pc @ONLY)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/nibble.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" DESTINATION "${CMAKE_INSTALL_DATADIR}/licenses/nibble")
