/* The header is C11: this file only has to compile as C. */
#include "llasa_native.h"

uint32_t llasa_header_is_c(void);
uint32_t llasa_header_is_c(void) {
  return llasa_abi_version();
}
