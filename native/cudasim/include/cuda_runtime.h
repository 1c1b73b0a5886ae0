// Twin of CUDA's header: enough of the language and the runtime API to compile native/src/cuda/*.cu as C++.
#pragma once

#define LLASA_CUDASIM 1

#include "cudasim/atomics.h"
#include "cudasim/intrinsics.h"
#include "cudasim/launch.h"
#include "cudasim/qualifiers.h"
#include "cudasim/runtime_api.h"
#include "cudasim/vector_types.h"
#include "cudasim/warp.h"
