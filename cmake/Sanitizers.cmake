# LLASA_SANITIZE = "" | address | undefined | thread | "address,undefined"
set(LLASA_SANITIZE "" CACHE STRING "Sanitizers to build with")
function(llasa_sanitizers target)
  if(LLASA_SANITIZE)
    # GCC documents that sanitizers make its flow analysis report variables that are in fact initialised.
    target_compile_options(${target} PUBLIC -fsanitize=${LLASA_SANITIZE} -fno-sanitize-recover=all
                                            -fno-omit-frame-pointer -g -Wno-maybe-uninitialized)
    target_link_options(${target} PUBLIC -fsanitize=${LLASA_SANITIZE})
  endif()
endfunction()
