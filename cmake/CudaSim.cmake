# Compiles src/cuda/*.cu as C++ against cudasim/include. LLASA_CUDASIM_CHECKS says who checks the kernels:
#   simulator   the .cu files are instrumented by -fsanitize=thread, whose runtime is not linked: cudasim/hooks.cc takes
#               its place and sees every access of a kernel. LLASA_SANITIZE then covers the host's code alone
#   sanitizer   LLASA_SANITIZE=address,undefined covers the kernels, too, in the hooks' place
set(LLASA_CUDASIM_CHECKS simulator CACHE STRING "What checks the kernels: simulator or sanitizer")
set_property(CACHE LLASA_CUDASIM_CHECKS PROPERTY STRINGS simulator sanitizer)
# fmaf() is an instruction, where this machine has it, in place of a call: the same bits, a tenth of the time.
include(CheckCXXSourceRuns)
set(CMAKE_REQUIRED_FLAGS -mfma)
check_cxx_source_runs("#include <immintrin.h>
int main(int count, char**) { return _mm_cvtss_f32(_mm_fmadd_ss(_mm_set_ss(count), _mm_set_ss(1), _mm_set_ss(-count))) != 0; }" LLASA_CUDASIM_HAS_FMA)
unset(CMAKE_REQUIRED_FLAGS)
function(llasa_cudasim_kernels target)
  set_source_files_properties(${ARGN} PROPERTIES LANGUAGE CXX)
  # -Wno-unknown-pragmas: #pragma unroll is for nvcc.
  set(flags -O2 -g1 -fno-tree-vectorize -ffp-contract=off -Wno-unknown-pragmas)
  if(LLASA_CUDASIM_HAS_FMA)
    list(APPEND flags -mfma)
  endif()
  if(LLASA_CUDASIM_CHECKS STREQUAL "simulator")
    list(APPEND flags -fno-sanitize=all -fsanitize=thread --param=tsan-instrument-func-entry-exit=0)
  endif()
  set_source_files_properties(${ARGN} PROPERTIES COMPILE_OPTIONS "${flags}")
  target_sources(${target} PRIVATE ${ARGN})
endfunction()

# --wrap: cudasim/loader.cc answers for the libnccl.so.2 and libcublasLt.so that are pretended.
set(LLASA_CUDASIM_LIBRARIES llasa::openblas ${CMAKE_DL_LIBS} -Wl,--wrap=dlopen -Wl,--wrap=dlsym)
function(llasa_add_cudasim target)
  file(GLOB kernels CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/src/cuda/*.cu)
  file(GLOB simulator CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/cudasim/*.cc)
  target_sources(${target} PRIVATE ${simulator})
  if(LLASA_CUDASIM_CHECKS STREQUAL "simulator" AND LLASA_SANITIZE)
    # It runs beneath every access, on stacks of its own.
    set_source_files_properties(${simulator} PROPERTIES COMPILE_OPTIONS -fno-sanitize=all)
  endif()
  target_include_directories(${target} PUBLIC cudasim/include cudasim)
  target_link_libraries(${target} PUBLIC ${LLASA_CUDASIM_LIBRARIES})
  llasa_cudasim_kernels(${target} ${kernels})

  # What stands in for the driver, in a folder of its own: only who asks for it shall find it.
  add_library(llasa_cudasim_driver SHARED ${CMAKE_CURRENT_SOURCE_DIR}/cudasim/driver/driver.cc)
  set_target_properties(llasa_cudasim_driver PROPERTIES OUTPUT_NAME cuda SUFFIX .so.1
                                                        LIBRARY_OUTPUT_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/driver)
endfunction()
