# The layering law: includes go down only.
#
#   cmake -D ROOT=<folder that holds chainrule/> -P check.cmake
#
# Fails with one line per include that breaks the law. CMake is the language because every
# builder has it.

cmake_minimum_required(VERSION 3.22)

# What each folder may include. `below` grows as the stack does; losses and optim stand side by side.
set(below)
foreach(folder IN ITEMS core pointwise backend memory ops layers network)
  list(APPEND below ${folder})
  set(may_include_${folder} ${below})
endforeach()
set(may_include_losses ${below} losses)
set(may_include_optim ${below} optim)
set(may_include_data core data)
set(may_include_io core pointwise backend memory io)
set(may_include_autodiff ${below} losses autodiff)
set(may_include_train ${below} losses optim data io train)
set(may_include_testing ${below} losses optim data io autodiff train testing)

set(complaints)
file(GLOB_RECURSE headers RELATIVE "${ROOT}" "${ROOT}/chainrule/*")
list(SORT headers)
if(NOT headers)
  message(FATAL_ERROR "no headers under ${ROOT}/chainrule")
endif()
foreach(header IN LISTS headers)
  if(header STREQUAL "chainrule/chainrule.hpp")
    continue()  # the umbrella
  endif()
  if(header MATCHES "^chainrule/([^/]+)/")
    set(folder "${CMAKE_MATCH_1}")
  elseif(header STREQUAL "chainrule/version.hpp")
    set(folder core)
  else()
    list(APPEND complaints "${header}: a header needs a folder of its subject")
    continue()
  endif()
  if(NOT DEFINED may_include_${folder})
    list(APPEND complaints "${header}: the folder ${folder} has no place in the order")
    continue()
  endif()

  file(STRINGS "${ROOT}/${header}" lines REGEX "^[ \t]*#[ \t]*include")
  foreach(line IN LISTS lines)
    if(NOT line MATCHES "include[ \t]*([\"<])([^\">]+)")
      continue()  # an include of a macro
    endif()
    set(quote "${CMAKE_MATCH_1}")
    set(included "${CMAKE_MATCH_2}")
    if(included STREQUAL "chainrule/version.hpp")
      continue()
    elseif(included MATCHES "\\.\\." OR (quote STREQUAL "\"" AND NOT included MATCHES "^chainrule/"))
      list(APPEND complaints "${header} includes ${included}: write it from the root, chainrule/...")
    elseif(included MATCHES "^chainrule/([^/]+)/")
      set(target "${CMAKE_MATCH_1}")
      if(NOT target IN_LIST may_include_${folder})
        list(APPEND complaints "${header} includes ${included}: ${folder} may not include ${target}")
      endif()
    elseif(included MATCHES "^chainrule/")
      list(APPEND complaints "${header} includes ${included}: only programs include that")
    endif()
  endforeach()
endforeach()

list(LENGTH headers count)
if(complaints)
  list(JOIN complaints "\n  " text)
  message(FATAL_ERROR "the layering law is broken:\n  ${text}\n")
endif()
message(STATUS "${count} headers keep the layering law")
