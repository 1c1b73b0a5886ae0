# Compiles src/cuda/*.cu by nvcc: CUDA 11.8 or later. LLASA_CUDA_ARCHS names the architectures; the last one is
# also kept as PTX, which later cards compile when the library is loaded.
include(CudaArchs)

# nvcc 11 refuses host compilers after GCC 11; without a word of ours it would take the newest one.
if(NOT DEFINED CMAKE_CUDA_HOST_COMPILER AND NOT DEFINED ENV{CUDAHOSTCXX})
  if(LLASA_NVCC)
    execute_process(COMMAND ${LLASA_NVCC} --version OUTPUT_VARIABLE version)
    if(version MATCHES "release 11\\." AND CMAKE_CXX_COMPILER_ID STREQUAL GNU
       AND CMAKE_CXX_COMPILER_VERSION VERSION_GREATER_EQUAL 12)
      find_program(LLASA_CUDA_HOST_COMPILER NAMES g++-11 g++-10)
      if(NOT LLASA_CUDA_HOST_COMPILER)
        message(FATAL_ERROR "nvcc of CUDA 11 needs GCC 11 or 10 as its host compiler: install g++-11")
      endif()
      set(CMAKE_CUDA_HOST_COMPILER ${LLASA_CUDA_HOST_COMPILER})
    endif()
  endif()
endif()

list(GET LLASA_CUDA_ARCHS -1 last)
set(CMAKE_CUDA_ARCHITECTURES ${LLASA_CUDA_ARCHS})
list(TRANSFORM CMAKE_CUDA_ARCHITECTURES APPEND -real)
list(APPEND CMAKE_CUDA_ARCHITECTURES ${last}-virtual)
enable_language(CUDA)
find_package(CUDAToolkit 11.8 REQUIRED)
set(CMAKE_CUDA_STANDARD 17)
set(CMAKE_CUDA_STANDARD_REQUIRED ON)
set(CMAKE_CUDA_EXTENSIONS OFF)

function(llasa_add_cuda target)
  file(GLOB kernels CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/src/cuda/*.cu)
  # The kernels are a target of their own, because the host's warning flags are not nvcc's.
  add_library(llasa_cuda_kernels OBJECT ${kernels})
  target_include_directories(llasa_cuda_kernels PRIVATE include src)
  target_compile_options(llasa_cuda_kernels PRIVATE ${LLASA_CUDA_WERROR} -lineinfo
                                                    -Xcompiler=-Wall,-Wextra,-Wno-restrict)
  if(LLASA_CUDA_REGISTERS)
    target_compile_options(llasa_cuda_kernels PRIVATE -Xptxas=-v)
  endif()
  target_sources(${target} PRIVATE $<TARGET_OBJECTS:llasa_cuda_kernels>)
  # TARGET_OBJECTS of an archive holds what it compiled itself, so the shared library names these once more.
  set(LLASA_ISA_OBJECTS $<TARGET_OBJECTS:llasa_cuda_kernels> PARENT_SCOPE)
  target_link_libraries(${target} PUBLIC CUDA::cudart_static ${CMAKE_DL_LIBS} rt)
endfunction()
option(LLASA_CUDA_REGISTERS "Let ptxas say what each kernel uses" OFF)
