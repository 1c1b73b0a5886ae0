# OpenBLAS, wherever Debian, Fedora, Arch or CMAKE_PREFIX_PATH have it. The static archive is preferred, so that the
# shared library runs on machines without OpenBLAS; LLASA_OPENBLAS_SHARED=ON takes the shared one. Other libraries
# install a cblas.h, too, often in front of OpenBLAS's: a candidate counts only if OpenBLAS's own functions compile
# and link, and the search goes on past the others. cmake/probe asks the same for build.sh.
option(LLASA_OPENBLAS_SHARED "Link OpenBLAS dynamically" OFF)

# `item` is an include folder: sets `result` to FALSE in the caller unless its cblas.h is OpenBLAS's.
function(llasa_is_openblas_header result item)
  try_compile(compiles
    SOURCE_FROM_CONTENT header.cc "#include <cblas.h>\nint main() { return sizeof(openblas_get_config()) + noexcept(openblas_set_num_threads(1)) == 0; }\n"
    CMAKE_FLAGS "-DINCLUDE_DIRECTORIES=${item}" NO_CACHE)
  set(${result} ${compiles} PARENT_SCOPE)
endfunction()

# `item` is a library: sets `result` to FALSE in the caller unless a program of OpenBLAS's functions links with it.
function(llasa_is_openblas_library result item)
  try_compile(links
    SOURCE_FROM_CONTENT library.cc "extern \"C\" { void openblas_set_num_threads(int); void cblas_sgemm(); }\nint main() { openblas_set_num_threads(1); return cblas_sgemm == nullptr; }\n"
    LINK_LIBRARIES ${item} Threads::Threads NO_CACHE)
  set(${result} ${links} PARENT_SCOPE)
endfunction()

find_package(Threads REQUIRED)
find_path(OPENBLAS_INCLUDE_DIR cblas.h VALIDATOR llasa_is_openblas_header
  PATH_SUFFIXES ${CMAKE_LIBRARY_ARCHITECTURE}/openblas-pthread ${CMAKE_LIBRARY_ARCHITECTURE} openblas)
set(OPENBLAS_NAMES openblasp openblas)
if(NOT LLASA_OPENBLAS_SHARED)
  list(PREPEND OPENBLAS_NAMES libopenblasp.a libopenblas.a)
endif()
find_library(OPENBLAS_LIBRARY NAMES ${OPENBLAS_NAMES} VALIDATOR llasa_is_openblas_library PATH_SUFFIXES openblas-pthread)
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(OpenBLAS REQUIRED_VARS OPENBLAS_LIBRARY OPENBLAS_INCLUDE_DIR
  REASON_FAILURE_MESSAGE "run ./build.sh, which installs it, or install libopenblas-pthread-dev (Debian, Ubuntu), openblas-devel and openblas-static (Fedora), openblas (Arch)")
if(OpenBLAS_FOUND AND NOT TARGET llasa::openblas)
  add_library(llasa::openblas UNKNOWN IMPORTED)
  set_target_properties(llasa::openblas PROPERTIES
    IMPORTED_LOCATION "${OPENBLAS_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES "${OPENBLAS_INCLUDE_DIR}"
    INTERFACE_LINK_LIBRARIES Threads::Threads)
endif()
