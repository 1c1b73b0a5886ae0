# LLASA_BACKEND = cpu | cudasim | cuda: whose implementation of src/ops the library is built with.
#   cpu      src/cpu, AVX2/AVX-512 by run-time dispatch, OpenBLAS
#   cuda     src/cuda by nvcc; cuBLASLt is opened at run time
#   cudasim  src/cuda as C++ against cudasim/include, for tests on machines without a GPU
set(LLASA_BACKEND cpu CACHE STRING "Backend: cpu, cudasim or cuda")
set_property(CACHE LLASA_BACKEND PROPERTY STRINGS cpu cudasim cuda)
set(LLASA_OBJECTS llasa_${LLASA_BACKEND}_objects)
if(LLASA_BACKEND STREQUAL cuda)
  include(Cuda)  # here, not in the function: a language is enabled for the whole file
elseif(LLASA_BACKEND STREQUAL cudasim)
  include(CudaSim)
endif()

function(llasa_add_backend target)
  if(LLASA_BACKEND STREQUAL cpu)
    file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/src/cpu/*.cc)
    target_sources(${target} PRIVATE ${sources})
    # --wrap: cpu/blas.cc answers OpenBLAS's question for its kernels.
    set(libraries llasa::openblas -Wl,--wrap=getenv)
    target_link_libraries(${target} PUBLIC ${libraries})
    llasa_add_isa_variants(${target})
    set(LLASA_ISA_OBJECTS ${LLASA_ISA_OBJECTS} PARENT_SCOPE)
    set(LLASA_BACKEND_LIBRARIES ${libraries} PARENT_SCOPE)
  elseif(LLASA_BACKEND STREQUAL cudasim)
    llasa_add_cudasim(${target})
    set(LLASA_BACKEND_LIBRARIES ${LLASA_CUDASIM_LIBRARIES} PARENT_SCOPE)
  elseif(LLASA_BACKEND STREQUAL cuda)
    llasa_add_cuda(${target})
    set(LLASA_ISA_OBJECTS ${LLASA_ISA_OBJECTS} PARENT_SCOPE)
    set(LLASA_BACKEND_LIBRARIES CUDA::cudart_static ${CMAKE_DL_LIBS} rt PARENT_SCOPE)
  else()
    message(FATAL_ERROR "LLASA_BACKEND: `${LLASA_BACKEND}`, expected cpu, cudasim or cuda")
  endif()
endfunction()
