# The warnings every target of ours compiles with. They are errors in CI and for developers (./build.sh sets
# LLASA_WARNINGS_AS_ERRORS from its --strict), not for who only builds: a newer compiler warns of more.
# -Wno-restrict: GCC 12 reports it falsely for std::string concatenation (GCC bug 105329).
option(LLASA_WARNINGS_AS_ERRORS "Stop at the first warning of g++ or nvcc" OFF)
set(LLASA_WERROR $<$<BOOL:${LLASA_WARNINGS_AS_ERRORS}>:-Werror>)
set(LLASA_CUDA_WERROR $<$<BOOL:${LLASA_WARNINGS_AS_ERRORS}>:--Werror=all-warnings>)
function(llasa_warnings target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wconversion -Wshadow ${LLASA_WERROR} -Wno-restrict)
endfunction()
