// What the tests of one rank share.
#pragma once

#include "abi/handles.h"

namespace llasa::test {

// Joined by main.
extern llasa_world* world_of_this_process;

}  // namespace llasa::test
