# The warnings every target of ours compiles with, as errors.
function(llasa_warnings target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wconversion -Wshadow -Werror)
endfunction()
