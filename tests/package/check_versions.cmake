# The packages have the version of the headers.
#
#   cmake -D SOURCE=.. -D VERSION=.. -P check_versions.cmake
cmake_minimum_required(VERSION 3.22)

foreach(file IN ITEMS vcpkg/chainrule/vcpkg.json debian/changelog)
  file(READ "${SOURCE}/packaging/${file}" text)
  string(FIND "${text}" "\"${VERSION}\"" quoted)
  string(FIND "${text}" "chainrule (${VERSION}-" in_changelog)
  if(quoted EQUAL -1 AND NOT in_changelog EQUAL 0)
    message(FATAL_ERROR "packaging/${file} is not of the version ${VERSION}, which the headers have")
  endif()
endforeach()
