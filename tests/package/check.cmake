# The library as its users get it: installed, moved to another prefix and found by find_package
# and pkg-config; added as a subdirectory; fetched. Each way builds and runs a small program.
#
#   cmake -D SOURCE=.. -D WORK=.. -D GENERATOR=.. -D COMPILER=.. -D FLAGS=.. -D VERSION=..
#         -D ZLIB=<0|1> -D IMAGES=<0|1> -D CUDA=<0|1> -D MPI=<0|1> -P check.cmake

cmake_minimum_required(VERSION 3.22)

set(here "${CMAKE_CURRENT_LIST_DIR}")
set(with_compiler -G "${GENERATOR}" "-DCMAKE_CXX_COMPILER=${COMPILER}" "-DCMAKE_CXX_FLAGS=${FLAGS}")
set(prefix "${WORK}/moved")
file(REMOVE_RECURSE "${WORK}")
file(MAKE_DIRECTORY "${WORK}")

include("${here}/run.cmake")

# run_to_fail(<what> <text that it must say> <command>...)
function(run_to_fail what wanted)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE result OUTPUT_VARIABLE out ERROR_VARIABLE err)
  string(REGEX REPLACE "[ \n]+" " " said "${out}${err}")  # CMake wraps its messages
  string(FIND "${said}" "${wanted}" found)
  if(result EQUAL 0 OR found EQUAL -1)
    message(FATAL_ERROR "${what}: expected to fail with \"${wanted}\", got (${result}):\n${out}${err}")
  endif()
  message(STATUS "${what}: fails as it must")
endfunction()

# Installed, then moved.
run("configure" "${CMAKE_COMMAND}" -S "${SOURCE}" -B "${WORK}/library" ${with_compiler}
    -DCHAINRULE_TESTS=OFF -DCHAINRULE_EXAMPLES=OFF -DCHAINRULE_BENCHMARKS=OFF
    "-DCMAKE_INSTALL_PREFIX=${WORK}/first")
run("build" "${CMAKE_COMMAND}" --build "${WORK}/library")
run("install" "${CMAKE_COMMAND}" --install "${WORK}/library")
file(RENAME "${WORK}/first" "${prefix}")
file(GLOB_RECURSE headers_here RELATIVE "${SOURCE}/include" "${SOURCE}/include/*.hpp")
file(GLOB_RECURSE headers_there RELATIVE "${prefix}/include" "${prefix}/include/*")
if(NOT headers_here STREQUAL headers_there)
  message(FATAL_ERROR "expected these headers to be installed:\n${headers_here}\ngot\n${headers_there}")
endif()
file(GLOB_RECURSE package_files "${prefix}/share/*.cmake" "${prefix}/share/*.pc")
foreach(file IN LISTS package_files)
  file(READ "${file}" text)
  foreach(path IN ITEMS "${WORK}" "${SOURCE}")
    string(FIND "${text}" "${path}" found)
    if(NOT found EQUAL -1)
      message(FATAL_ERROR "${file} names ${path}; a package must not know where it was made")
    endif()
  endforeach()
endforeach()

# consumer(<name> <option>...): configures, builds and runs the project in this folder.
function(consumer name)
  run("${name}: configure" "${CMAKE_COMMAND}" -S "${here}/${name}" -B "${WORK}/${name}"
      ${with_compiler} "-DVERSION=${VERSION}" "-DZLIB=${ZLIB}" "-DIMAGES=${IMAGES}" "-DCUDA=${CUDA}" "-DMPI=${MPI}"
      ${ARGN})
  run("${name}: build" "${CMAKE_COMMAND}" --build "${WORK}/${name}")
  run("${name}: run" "${WORK}/${name}/program" "${VERSION}")
endfunction()

consumer(find_package "-DCMAKE_PREFIX_PATH=${prefix}")
run("compiled: run" "${WORK}/find_package/compiled/compiled_check")
consumer(subdirectory "-DCHAINRULE_SOURCE=${SOURCE}")
run("subdirectory: install" "${CMAKE_COMMAND}" --install "${WORK}/subdirectory"
    --prefix "${WORK}/subdirectory_prefix")
if(EXISTS "${WORK}/subdirectory_prefix")
  message(FATAL_ERROR "as a subdirectory chainrule must not install anything")
endif()
consumer(fetch_content "-DCHAINRULE_SOURCE=${SOURCE}"
         -DFETCHCONTENT_FULLY_DISCONNECTED=ON)

# With the CUDA component a program starts where there is no driver, and says so.
if(CUDA)
  run("cuda: run" "${WORK}/find_package/with_cuda")
else()
  message(STATUS "cuda: SKIPPED, the CUDA toolkit was not found")
endif()

# What is missing is named.
set(missing "${CMAKE_COMMAND}" -S "${here}/missing" ${with_compiler} "-DCMAKE_PREFIX_PATH=${prefix}")
run_to_fail("no Eigen" "chainrule needs Eigen 3.4 or newer, which was not found"
  ${missing} -B "${WORK}/no_eigen" -DCMAKE_DISABLE_FIND_PACKAGE_Eigen3=ON)
run_to_fail("no zlib" "the chainrule component zlib needs zlib"
  ${missing} -B "${WORK}/no_zlib" -DWANT=zlib -DCMAKE_DISABLE_FIND_PACKAGE_ZLIB=ON)
run_to_fail("no libpng" "the chainrule component images needs libpng"
  ${missing} -B "${WORK}/no_libpng" -DWANT=images -DCMAKE_DISABLE_FIND_PACKAGE_PNG=ON)
run_to_fail("no CUDA" "the chainrule component cuda needs the CUDA toolkit"
  ${missing} -B "${WORK}/no_cuda" -DWANT=cuda -DCMAKE_DISABLE_FIND_PACKAGE_CUDAToolkit=ON)
run_to_fail("no MPI" "the chainrule component mpi needs MPI"
  ${missing} -B "${WORK}/no_mpi" -DWANT=mpi -DCMAKE_DISABLE_FIND_PACKAGE_MPI=ON)
run_to_fail("unknown component" "chainrule has no component \"onnx\""
  ${missing} -B "${WORK}/no_onnx" -DWANT=onnx)
run_to_fail("another version" "compatible with requested version \"99\""
  ${missing} -B "${WORK}/no_version" -DWANT_VERSION=99)
run("optional components" ${missing} -B "${WORK}/optional" "-DWANT_OPTIONAL=zlib\;onnx"
    -DCMAKE_DISABLE_FIND_PACKAGE_ZLIB=ON)

# pkg-config, where there is one.
find_program(pkg_config NAMES pkg-config pkgconf)
if(pkg_config)
  set(ENV{PKG_CONFIG_PATH} "${prefix}/share/pkgconfig:$ENV{PKG_CONFIG_PATH}")
  run("pkg-config" "${pkg_config}" --cflags --libs chainrule)
  separate_arguments(pc_flags UNIX_COMMAND "${FLAGS} ${output}")
  run("pkg-config: build" "${COMPILER}" -std=c++20 "${here}/program.cpp" ${pc_flags}
      -o "${WORK}/pc_program")
  run("pkg-config: run" "${WORK}/pc_program" "${VERSION}")
else()
  message(STATUS "pkg-config: SKIPPED, not found")
endif()
