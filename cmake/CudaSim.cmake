# Compiles src/cuda/*.cu as C++ against cudasim/include. Without sanitizers the .cu files are instrumented by
# -fsanitize=thread, whose runtime is not linked: cudasim/hooks.cc takes its place and checks every access of a
# kernel. With LLASA_SANITIZE=address,undefined the compiler's own sanitizers check them instead.
function(llasa_cudasim_kernels target)
  set_source_files_properties(${ARGN} PROPERTIES LANGUAGE CXX)
  # -Wno-unknown-pragmas: #pragma unroll is for nvcc.
  set(flags -O2 -g1 -fno-tree-vectorize -ffp-contract=off -Wno-unknown-pragmas)
  if(NOT LLASA_SANITIZE)
    list(APPEND flags -fsanitize=thread --param=tsan-instrument-func-entry-exit=0)
  endif()
  set_source_files_properties(${ARGN} PROPERTIES COMPILE_OPTIONS "${flags}")
  target_sources(${target} PRIVATE ${ARGN})
endfunction()

function(llasa_add_cudasim target)
  file(GLOB kernels CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/src/cuda/*.cu)
  file(GLOB simulator CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/cudasim/*.cc)
  target_sources(${target} PRIVATE ${simulator})
  target_include_directories(${target} PUBLIC cudasim/include cudasim)
  target_link_libraries(${target} PUBLIC llasa::openblas ${CMAKE_DL_LIBS})
  llasa_cudasim_kernels(${target} ${kernels})

  # Families that have no kernels yet run their CPU code on the simulator's memory, which the host may touch then.
  file(GLOB families RELATIVE ${CMAKE_CURRENT_SOURCE_DIR}/src/cpu CONFIGURE_DEPENDS
       ${CMAKE_CURRENT_SOURCE_DIR}/src/cpu/*.cc)
  set(missing "")
  foreach(file IN LISTS families)
    string(REPLACE .cc .cu kernel ${file})
    if(NOT EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/src/cuda/${kernel} AND NOT file STREQUAL isa.cc)
      list(APPEND missing ${file})
      target_sources(${target} PRIVATE src/cpu/${file})
    endif()
  endforeach()
  if(missing)
    message(STATUS "without kernels, on the CPU's code: ${missing}")
    target_sources(${target} PRIVATE src/cpu/isa.cc)
    target_compile_definitions(${target} PUBLIC LLASA_CUDASIM_HOST_VISIBLE)
    llasa_add_isa_variants(${target})
    set(LLASA_ISA_OBJECTS ${LLASA_ISA_OBJECTS} PARENT_SCOPE)
  endif()
endfunction()
