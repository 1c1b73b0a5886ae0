# LLASA_SANITIZE = "" | address | undefined | thread | "address,undefined"
set(LLASA_SANITIZE "" CACHE STRING "Sanitizers to build with")
function(llasa_sanitizers target)
  if(LLASA_SANITIZE)
    target_compile_options(${target} PUBLIC -fsanitize=${LLASA_SANITIZE} -fno-sanitize-recover=all
                                            -fno-omit-frame-pointer -g)
    target_link_options(${target} PUBLIC -fsanitize=${LLASA_SANITIZE})
  endif()
endfunction()
