# find_package(sluice), then link sluice::sluice and include "sluice/sluice.h" (C) or "sluice/runtime.h" (C++).
get_filename_component(sluice_prefix "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)
if(NOT TARGET sluice::sluice)
  add_library(sluice::sluice STATIC IMPORTED)
  set_target_properties(sluice::sluice PROPERTIES
    IMPORTED_LOCATION "${sluice_prefix}/lib/libsluice.a"
    INTERFACE_INCLUDE_DIRECTORIES "${sluice_prefix}/include;${sluice_prefix}/include/sluice"
    INTERFACE_LINK_LIBRARIES "stdc++;m")
endif()
