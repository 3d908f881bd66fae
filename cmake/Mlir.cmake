# MLIR and LLVM 22, and the rules for code that includes them.
find_package(MLIR 22.1 REQUIRED CONFIG HINTS /usr/lib/llvm-22/lib/cmake/mlir)
list(APPEND CMAKE_MODULE_PATH "${MLIR_CMAKE_DIR}" "${LLVM_CMAKE_DIR}")
include(TableGen)
include(AddLLVM)
include(AddMLIR)
include_directories(SYSTEM ${LLVM_INCLUDE_DIRS} ${MLIR_INCLUDE_DIRS})
set(CMAKE_INSTALL_RPATH_USE_LINK_PATH ON)  # installed compiler tools find libMLIR where it was found here

# One precompiled header for the compiler half: 2.5 s a file instead of 6.5 s.
file(WRITE ${CMAKE_BINARY_DIR}/pch/empty.cpp "")
add_library(sluice_pch OBJECT ${CMAKE_BINARY_DIR}/pch/empty.cpp)
target_precompile_headers(sluice_pch PRIVATE ${CMAKE_SOURCE_DIR}/cmake/MlirPch.h)

function(sluice_mlir_library name)
  cmake_parse_arguments(A "" "" "SRCS;DEPS;TABLEGEN" ${ARGN})
  add_library(${name} STATIC ${A_SRCS})
  target_link_libraries(${name} PUBLIC ${A_DEPS} MLIR LLVM)
  target_precompile_headers(${name} REUSE_FROM sluice_pch)
  if(A_TABLEGEN)
    add_dependencies(${name} ${A_TABLEGEN})
  endif()
  # Generated dialect headers come before anything that may include them.
  if(TARGET sluice_tablegen)
    add_dependencies(${name} sluice_tablegen)
  endif()
endfunction()

# An executable of the compiler half.  Its objects are built like a library's: the shared precompiled header is
# position-independent code, which an executable's own sources would not be.
function(sluice_mlir_tool name)
  cmake_parse_arguments(A "" "" "SRCS;DEPS;DEFINITIONS" ${ARGN})
  add_library(${name}_objects OBJECT ${A_SRCS})
  target_link_libraries(${name}_objects PUBLIC ${A_DEPS} MLIR LLVM)
  target_compile_definitions(${name}_objects PRIVATE ${A_DEFINITIONS})
  target_precompile_headers(${name}_objects REUSE_FROM sluice_pch)
  add_dependencies(${name}_objects sluice_tablegen)
  add_executable(${name} $<TARGET_OBJECTS:${name}_objects>)
  target_link_libraries(${name} PRIVATE ${A_DEPS} MLIR LLVM)
  target_link_options(${name} PRIVATE $<$<CONFIG:Release>:-s>)
endfunction()

function(sluice_mlir_test name)
  cmake_parse_arguments(A "" "" "SRCS;DEPS" ${ARGN})
  sluice_mlir_tool(${name} SRCS ${A_SRCS} DEPS ${A_DEPS} gtest gmock gtest_main
    DEFINITIONS SLUICE_SOURCE_DIR="${CMAKE_SOURCE_DIR}" SLUICE_BINARY_DIR="${CMAKE_BINARY_DIR}")
  add_test(NAME ${name} COMMAND ${name})
endfunction()
