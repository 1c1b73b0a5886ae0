# OpenBLAS as Debian installs it. The static archive is preferred, so that the shared library runs on machines
# without OpenBLAS; LLASA_OPENBLAS_SHARED=ON takes the shared one.
option(LLASA_OPENBLAS_SHARED "Link OpenBLAS dynamically" OFF)
find_path(OPENBLAS_INCLUDE_DIR cblas.h PATH_SUFFIXES x86_64-linux-gnu/openblas-pthread x86_64-linux-gnu openblas)
if(LLASA_OPENBLAS_SHARED)
  find_library(OPENBLAS_LIBRARY NAMES openblas PATH_SUFFIXES openblas-pthread)
else()
  find_library(OPENBLAS_LIBRARY NAMES libopenblas.a openblas PATH_SUFFIXES openblas-pthread)
endif()
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(OpenBLAS REQUIRED_VARS OPENBLAS_LIBRARY OPENBLAS_INCLUDE_DIR
  REASON_FAILURE_MESSAGE "install libopenblas-dev (Debian), or run ./build.sh which does")
if(OpenBLAS_FOUND AND NOT TARGET llasa::openblas)
  add_library(llasa::openblas UNKNOWN IMPORTED)
  set_target_properties(llasa::openblas PROPERTIES
    IMPORTED_LOCATION "${OPENBLAS_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES "${OPENBLAS_INCLUDE_DIR}")
endif()
