# An overlay port: vcpkg install chainrule --overlay-ports=<checkout>/packaging/vcpkg
# It builds the checkout that it lies in. A port of the registry replaces the next line by
# vcpkg_from_github(OUT_SOURCE_PATH SOURCE_PATH ...) with the address, tag and hash of a release.
get_filename_component(SOURCE_PATH "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)

vcpkg_cmake_configure(
  SOURCE_PATH "${SOURCE_PATH}"
  OPTIONS
    -DCHAINRULE_TESTS=OFF
    -DCHAINRULE_EXAMPLES=OFF
    -DCHAINRULE_BENCHMARKS=OFF
    -DCHAINRULE_INSTALL=ON)
vcpkg_cmake_install()
vcpkg_cmake_config_fixup(CONFIG_PATH share/cmake/chainrule)
vcpkg_fixup_pkgconfig()

# Headers only: nothing in them differs between release and debug.
file(REMOVE_RECURSE "${CURRENT_PACKAGES_DIR}/debug" "${CURRENT_PACKAGES_DIR}/lib"
                    "${CURRENT_PACKAGES_DIR}/share/licenses")
vcpkg_install_copyright(FILE_LIST "${SOURCE_PATH}/LICENSE")
