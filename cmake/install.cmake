# Headers, CMake package and pkg-config file. Nothing here depends on the machine, so the package
# lies in share/ and may be moved to another prefix as a whole.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(chainrule_cmake_dir "${CMAKE_INSTALL_DATADIR}/cmake/chainrule")
set(chainrule_pkgconfig_dir "${CMAKE_INSTALL_DATADIR}/pkgconfig")

install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
        FILES_MATCHING PATTERN "*.hpp")
install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" DESTINATION "${CMAKE_INSTALL_DATADIR}/licenses/chainrule")
install(TARGETS chainrule EXPORT chainruleTargets
        INCLUDES DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(EXPORT chainruleTargets NAMESPACE chainrule:: DESTINATION "${chainrule_cmake_dir}")

configure_package_config_file(
  "${CMAKE_CURRENT_LIST_DIR}/chainruleConfig.cmake.in"
  "${PROJECT_BINARY_DIR}/chainruleConfig.cmake"
  INSTALL_DESTINATION "${chainrule_cmake_dir}"
  NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file("${PROJECT_BINARY_DIR}/chainruleConfigVersion.cmake"
  COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)  # below 1.0 a minor version may break
install(FILES "${CMAKE_CURRENT_LIST_DIR}/compiled.cmake" "${CMAKE_CURRENT_LIST_DIR}/compiled.cpp"
              "${PROJECT_BINARY_DIR}/chainruleConfig.cmake"
              "${PROJECT_BINARY_DIR}/chainruleConfigVersion.cmake"
        DESTINATION "${chainrule_cmake_dir}")

# The include folder as seen from the pkg-config file, so that the prefix may move.
if(IS_ABSOLUTE "${CMAKE_INSTALL_INCLUDEDIR}")
  set(chainrule_pc_includedir "${CMAKE_INSTALL_INCLUDEDIR}")
else()
  file(RELATIVE_PATH chainrule_pc_up "/prefix/${chainrule_pkgconfig_dir}" "/prefix")
  set(chainrule_pc_includedir "\${pcfiledir}/${chainrule_pc_up}${CMAKE_INSTALL_INCLUDEDIR}")
endif()
configure_file("${CMAKE_CURRENT_LIST_DIR}/chainrule.pc.in" "${PROJECT_BINARY_DIR}/chainrule.pc"
               @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/chainrule.pc" DESTINATION "${chainrule_pkgconfig_dir}")
