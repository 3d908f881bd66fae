# The ONNX C++ library (schemas, checker, inliner, shape inference, text parser) as the static library `onnx`.
#
# Debian's is too old.  The PyPI wheel carries the C++ sources and the .proto files of one version: it is downloaded
# once at configure time, its hash pinned, and the protobuf code is made again with Debian's protoc.
find_package(Protobuf 3.21 REQUIRED)

set(ONNX_VERSION 1.23.2)
set(ONNX_WHEEL onnx-${ONNX_VERSION}-cp311-cp311-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl)
set(ONNX_SHA256 c03ecf6b835d136108eeaeeafbd0026fc7b3cf98661409fbc6b63d5a29361348)
set(ONNX_DOWNLOADS ${CMAKE_SOURCE_DIR}/downloads CACHE PATH "Where downloaded packages are kept")
set(onnx_src ${CMAKE_BINARY_DIR}/onnx-src)

# The Python whose pip downloads: the project's own environment, or the system's.
function(sluice_find_pip out)
  foreach(python ${CMAKE_SOURCE_DIR}/.venv/bin/python python3)
    execute_process(COMMAND ${python} -m pip --version RESULT_VARIABLE status OUTPUT_QUIET ERROR_QUIET)
    if(status EQUAL 0)
      set(${out} ${python} PARENT_SCOPE)
      return()
    endif()
  endforeach()
  message(FATAL_ERROR "no Python with pip: run scripts/install.sh")
endfunction()

set(wheel ${ONNX_DOWNLOADS}/${ONNX_WHEEL})
if(NOT EXISTS ${onnx_src}/${ONNX_SHA256})
  if(NOT EXISTS ${wheel})
    sluice_find_pip(python)
    message(STATUS "Downloading onnx ${ONNX_VERSION}")
    execute_process(
      COMMAND ${python} -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --implementation cp
              --python-version 3.11 --abi cp311 --platform manylinux_2_28_x86_64 --dest ${ONNX_DOWNLOADS} onnx==${ONNX_VERSION}
      COMMAND_ERROR_IS_FATAL ANY)
  endif()
  file(SHA256 ${wheel} hash)
  if(NOT hash STREQUAL ONNX_SHA256)
    message(FATAL_ERROR "${wheel} has SHA-256 ${hash}, expected ${ONNX_SHA256}: delete it and configure again")
  endif()
  file(REMOVE_RECURSE ${onnx_src})
  file(ARCHIVE_EXTRACT INPUT ${wheel} DESTINATION ${onnx_src} PATTERNS "*.cc" "*.h" "*.proto" "*.pb" "*.onnx")
  file(TOUCH ${onnx_src}/${ONNX_SHA256})
endif()

file(GLOB_RECURSE onnx_sources ${onnx_src}/onnx/*.cc)
list(FILTER onnx_sources EXCLUDE REGEX "cpp2py_export|\\.pb\\.cc$")
set(onnx_generated "")
foreach(proto onnx-ml onnx-operators-ml onnx-data)
  set(generated ${onnx_src}/onnx/${proto}.pb.cc ${onnx_src}/onnx/${proto}.pb.h)
  add_custom_command(OUTPUT ${generated} COMMAND protobuf::protoc -I ${onnx_src} --cpp_out ${onnx_src} ${onnx_src}/onnx/${proto}.proto
    DEPENDS ${onnx_src}/onnx/${proto}.proto)
  list(APPEND onnx_generated ${generated})
endforeach()
add_custom_target(onnx_proto DEPENDS ${onnx_generated})

add_library(onnx STATIC ${onnx_sources} ${onnx_generated})
add_dependencies(onnx onnx_proto)
target_include_directories(onnx SYSTEM PUBLIC ${onnx_src})
target_compile_definitions(onnx PUBLIC ONNX_ML=1 ONNX_NAMESPACE=onnx)
target_compile_options(onnx PRIVATE -w -O1)
# What every file includes takes two of the three seconds it compiles.
target_precompile_headers(onnx PRIVATE ${onnx_src}/onnx/defs/schema.h ${onnx_src}/onnx/defs/function.h)
target_link_libraries(onnx PUBLIC protobuf::libprotobuf)
