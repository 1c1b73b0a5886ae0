# LLASA_CUDA_ARCHS: the compute capabilities to compile for. Those after Hopper are added where nvcc (LLASA_NVCC) knows
# them, which is from CUDA 12.8 on.
find_program(LLASA_NVCC nvcc PATHS /usr/local/cuda/bin)
set(archs 80 86 89 90)
if(LLASA_NVCC)
  execute_process(COMMAND ${LLASA_NVCC} --list-gpu-arch OUTPUT_VARIABLE known)
  foreach(arch 100 120)
    if(known MATCHES "compute_${arch}\n")
      list(APPEND archs ${arch})
    endif()
  endforeach()
endif()
set(LLASA_CUDA_ARCHS "${archs}" CACHE STRING "Compute capabilities to compile for")
