# The Debian package: built, checked by lintian, unpacked, and used through CMake and pkg-config.
#
#   cmake -D SOURCE=.. -D WORK=.. -D GENERATOR=.. -D COMPILER=.. -D FLAGS=.. -D VERSION=.. -P check_deb.cmake
cmake_minimum_required(VERSION 3.22)

set(here "${CMAKE_CURRENT_LIST_DIR}")
foreach(tool IN ITEMS dpkg-buildpackage dh lintian dpkg-deb)
  find_program(found_${tool} "${tool}")
  if(NOT found_${tool})
    message(STATUS "skipped: ${tool} was not found (Debian and Ubuntu: dpkg-dev debhelper lintian)")
    return()
  endif()
endforeach()

include("${here}/run.cmake")

run("dpkg-buildpackage" sh "${SOURCE}/packaging/build_deb.sh" "${WORK}")
file(GLOB changes "${WORK}/*.changes")
# A bug number of Debian's is given to a package when it is first uploaded.
run("lintian" lintian --allow-root --fail-on error,warning
    --suppress-tags initial-upload-closes-no-bugs "${changes}")

set(package "${WORK}/libchainrule-dev_${VERSION}-1_all.deb")
run("unpack" dpkg-deb -x "${package}" "${WORK}/root")
run("find_package: configure" "${CMAKE_COMMAND}" -S "${here}/find_package" -B "${WORK}/program"
    -G "${GENERATOR}" "-DCMAKE_CXX_COMPILER=${COMPILER}" "-DCMAKE_CXX_FLAGS=${FLAGS}"
    "-DCMAKE_PREFIX_PATH=${WORK}/root/usr" "-DVERSION=${VERSION}")
file(STRINGS "${WORK}/program/CMakeCache.txt" found REGEX "^chainrule_DIR")
if(NOT found MATCHES "${WORK}/root/usr/share/cmake/chainrule")
  message(FATAL_ERROR "another package was found: ${found}")
endif()
run("find_package: build" "${CMAKE_COMMAND}" --build "${WORK}/program")
run("find_package: run" "${WORK}/program/program" "${VERSION}")
