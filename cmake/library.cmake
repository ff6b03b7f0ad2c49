# The targets that users link: chainrule::chainrule and, where their dependency is found, the
# optional components. cmake/chainruleConfig.cmake.in declares the same names once installed.

if(NOT TARGET Eigen3::Eigen)
  # No version in the call: Eigen 5 does not count itself compatible with a request for 3.4.
  find_package(Eigen3 QUIET NO_MODULE)
  if(NOT Eigen3_FOUND)
    message(FATAL_ERROR "chainrule needs Eigen 3.4 or newer, which was not found: install it "
                        "(Debian and Ubuntu: libeigen3-dev) or set Eigen3_DIR.")
  endif()
  if(Eigen3_VERSION VERSION_LESS 3.4)
    message(FATAL_ERROR "chainrule needs Eigen 3.4 or newer, found ${Eigen3_VERSION} "
                        "in ${Eigen3_DIR}.")
  endif()
endif()
find_package(Threads REQUIRED)

add_library(chainrule INTERFACE)
add_library(chainrule::chainrule ALIAS chainrule)
target_compile_features(chainrule INTERFACE cxx_std_20)
target_include_directories(chainrule INTERFACE "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>")
target_link_libraries(chainrule INTERFACE Eigen3::Eigen Threads::Threads)
include("${CMAKE_CURRENT_LIST_DIR}/compiled.cmake")

# zlib: reading gzip files.
find_package(ZLIB QUIET)
if(TARGET ZLIB::ZLIB)
  add_library(chainrule_zlib INTERFACE)
  add_library(chainrule::zlib ALIAS chainrule_zlib)
  target_link_libraries(chainrule_zlib INTERFACE chainrule ZLIB::ZLIB)
  target_compile_definitions(chainrule_zlib INTERFACE CHAINRULE_WITH_ZLIB)
endif()

# images: reading PNG files.
find_package(PNG QUIET)
if(TARGET PNG::PNG)
  add_library(chainrule_images INTERFACE)
  add_library(chainrule::images ALIAS chainrule_images)
  target_link_libraries(chainrule_images INTERFACE chainrule PNG::PNG)
  target_compile_definitions(chainrule_images INTERFACE CHAINRULE_WITH_PNG)
endif()

# opencl: the backend that runs on OpenCL devices.
find_package(OpenCL QUIET)
if(TARGET OpenCL::OpenCL)
  add_library(chainrule_opencl INTERFACE)
  add_library(chainrule::opencl ALIAS chainrule_opencl)
  target_link_libraries(chainrule_opencl INTERFACE chainrule OpenCL::OpenCL)
endif()

# cuda: the backend that runs on NVIDIA GPUs. Programs open NVRTC and cuBLASLt when they need them, and
# have no part in the driver's library, so they start on machines without any of these.
find_package(CUDAToolkit QUIET)
if(TARGET CUDA::cudart AND TARGET CUDA::nvrtc AND TARGET CUDA::cublasLt
   AND NOT CUDAToolkit_VERSION VERSION_LESS 11.4)
  add_library(chainrule_cuda INTERFACE)
  add_library(chainrule::cuda ALIAS chainrule_cuda)
  target_link_libraries(chainrule_cuda INTERFACE chainrule CUDA::cudart ${CMAKE_DL_LIBS})
endif()

# mpi: ranks, processes that train together. Its headers are called from C++, which may be the only
# language of a project, but its old classes for C++ are not.
set(MPI_CXX_SKIP_MPICXX ON)
find_package(MPI QUIET COMPONENTS CXX)
if(TARGET MPI::MPI_CXX)
  add_library(chainrule_mpi INTERFACE)
  add_library(chainrule::mpi ALIAS chainrule_mpi)
  target_link_libraries(chainrule_mpi INTERFACE chainrule MPI::MPI_CXX)
endif()

if(PROJECT_IS_TOP_LEVEL)
  if(TARGET chainrule::cuda)
    message(STATUS "chainrule::cuda: yes, toolkit ${CUDAToolkit_VERSION}")
  else()
    message(STATUS "chainrule::cuda: no, the CUDA toolkit (11.4 or newer, with cudart, NVRTC and "
                   "cuBLASLt) was not found")
  endif()
  if(TARGET chainrule::opencl)
    message(STATUS "chainrule::opencl: yes")
  else()
    message(STATUS "chainrule::opencl: no, the OpenCL headers and loader were not found")
  endif()
  if(TARGET chainrule::zlib)
    message(STATUS "chainrule::zlib: yes")
  else()
    message(STATUS "chainrule::zlib: no, zlib was not found")
  endif()
  if(TARGET chainrule::images)
    message(STATUS "chainrule::images: yes")
  else()
    message(STATUS "chainrule::images: no, libpng was not found")
  endif()
  if(TARGET chainrule::mpi)
    message(STATUS "chainrule::mpi: yes, MPI ${MPI_CXX_VERSION}")
  else()
    message(STATUS "chainrule::mpi: no, MPI was not found")
  endif()
endif()
