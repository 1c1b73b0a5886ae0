# The warnings every target of ours compiles with, as errors. -Wno-restrict: GCC 12 reports it falsely for
# std::string concatenation (GCC bug 105329).
function(llasa_warnings target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wconversion -Wshadow -Werror -Wno-restrict)
endfunction()
