# SPDX-License-Identifier: Apache-2.0
# What `cmake --install` lays down: both libraries, their headers, the package for find_package
# (thinwire::thinwire, thinwire::nccl), thinwire.pc, and the programs.
include(CMakePackageConfigHelpers)

install(TARGETS thinwire thinwire_nccl EXPORT thinwire_targets
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/thinwire include/nccl_compat DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
if(TARGET thinwire_mpi)  # the first is found beside libthinwire at run time
  install(TARGETS thinwire_mpi thinwire_mpi_preload LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
endif()
if(TARGET thinwire_cuda)
  install(TARGETS thinwire_cuda LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
endif()
foreach(program thinwire-perf thinwire-plan thinwire-info thinwire-lab)
  if(TARGET ${program})
    install(TARGETS ${program} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  endif()
endforeach()

set(thinwire_package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/thinwire")
install(EXPORT thinwire_targets NAMESPACE thinwire:: DESTINATION ${thinwire_package_dir})
set_target_properties(thinwire_nccl PROPERTIES EXPORT_NAME nccl)
configure_package_config_file(cmake/thinwireConfig.cmake.in
  "${PROJECT_BINARY_DIR}/thinwireConfig.cmake" INSTALL_DESTINATION ${thinwire_package_dir})
write_basic_package_version_file("${PROJECT_BINARY_DIR}/thinwireConfigVersion.cmake"
  COMPATIBILITY SameMajorVersion)
install(FILES "${PROJECT_BINARY_DIR}/thinwireConfig.cmake"
              "${PROJECT_BINARY_DIR}/thinwireConfigVersion.cmake"
        DESTINATION ${thinwire_package_dir})

# Relative to the .pc file, so that the installed tree can be moved.
file(RELATIVE_PATH thinwire_pc_to_include "/${CMAKE_INSTALL_LIBDIR}/pkgconfig"
     "/${CMAKE_INSTALL_INCLUDEDIR}")
configure_file(cmake/thinwire.pc.in "${PROJECT_BINARY_DIR}/thinwire.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/thinwire.pc" DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
