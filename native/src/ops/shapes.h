// Legend of shapes used by every op: all tensors are f32 and row-major unless an op says otherwise.
//   T  tokens (packed, no padding) or frames      B  sequences, clips
//   C  hidden size        F  feed-forward size    V  vocabulary
//   H  query heads        G  key/value heads      D  head dimension
//   L  layers             N  rows of a loss
// Pointers are device pointers. Parameter gradients are accumulated (+=), activation gradients are assigned
// (=); an exception stands in the op's declaration. Every op takes the stream it is queued on.
#pragma once

#include <cstdint>

#include "core/device.h"
