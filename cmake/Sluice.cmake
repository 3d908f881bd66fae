# Build rules every folder uses: one function per kind of target.
#
#   sluice_library(NAME SRCS a.cpp b.cpp DEPS x y)        runtime half, no MLIR
#   sluice_mlir_library(NAME SRCS ... DEPS ...)           compiler half, shares one precompiled header
#   sluice_tool(NAME SRCS ... DEPS ...)                   an executable in build/bin
#   sluice_runtime_tool(NAME SRCS ... DEPS ...)           one that needs only glibc at run time
#   sluice_test(NAME SRCS ... DEPS ...)                   one gtest executable a folder
include(CMakeParseArguments)

find_program(CCACHE ccache)
if(CCACHE)
  set(launcher ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime ${CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${launcher})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${launcher})
endif()

# NOTE: CMake's Release adds -DNDEBUG; developers and CI keep assertions, packages (preset release) do not.
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Dev)
endif()
set(CMAKE_CXX_FLAGS_DEV "-O2")
set(CMAKE_C_FLAGS_DEV "-O2")
# Packages are small: what nothing calls is dropped.
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG -ffunction-sections -fdata-sections")
set(CMAKE_C_FLAGS_RELEASE "-O2 -DNDEBUG -ffunction-sections -fdata-sections")

find_package(absl REQUIRED)
# Debian's package names the shared libraries; the release tools need only glibc, so take the archives beside them.
file(STRINGS ${absl_DIR}/abslTargets.cmake absl_targets REGEX "^add_library\\(absl::[a-z0-9_]+ SHARED")
foreach(line ${absl_targets})
  string(REGEX MATCH "absl::[a-z0-9_]+" target ${line})
  get_target_property(location ${target} IMPORTED_LOCATION_NONE)
  string(REGEX REPLACE "\\.so[.0-9]*$" ".a" archive "${location}")
  if(EXISTS "${archive}")
    set_target_properties(${target} PROPERTIES IMPORTED_LOCATION_NONE "${archive}")
  endif()
endforeach()
find_package(Threads REQUIRED)

add_compile_options(-Wall -Wextra -Wno-unused-parameter -Wno-missing-field-initializers)
if(CMAKE_CXX_COMPILER_ID MATCHES Clang)
  add_compile_options("SHELL:-Xclang -fno-pch-timestamp")
endif()
include_directories(${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR})

function(sluice_library name)
  cmake_parse_arguments(A "" "" "SRCS;DEPS" ${ARGN})
  add_library(${name} STATIC ${A_SRCS})
  target_link_libraries(${name} PUBLIC ${A_DEPS})
endfunction()

function(sluice_tool name)
  cmake_parse_arguments(A "" "" "SRCS;DEPS" ${ARGN})
  add_executable(${name} ${A_SRCS})
  target_link_libraries(${name} PRIVATE ${A_DEPS})
  target_link_options(${name} PRIVATE $<$<CONFIG:Release>:-s>)  # packages carry no symbols
endfunction()

# A tool of the runtime half: needs nothing beyond glibc where it runs.
function(sluice_runtime_tool name)
  sluice_tool(${name} ${ARGN})
  target_link_options(${name} PRIVATE -static-libstdc++ -static-libgcc -Wl,--gc-sections -Wl,--as-needed)
  install(TARGETS ${name} DESTINATION bin)
endfunction()

function(sluice_test name)
  cmake_parse_arguments(A "" "" "SRCS;DEPS" ${ARGN})
  add_executable(${name} ${A_SRCS})
  target_link_libraries(${name} PRIVATE ${A_DEPS} gtest gmock gtest_main)
  target_compile_definitions(${name} PRIVATE SLUICE_SOURCE_DIR="${CMAKE_SOURCE_DIR}" SLUICE_BINARY_DIR="${CMAKE_BINARY_DIR}")
  add_test(NAME ${name} COMMAND ${name})
endfunction()
