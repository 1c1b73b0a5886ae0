// What the tests of one rank share.
#pragma once

#include <map>
#include <string>

#include "abi/handles.h"

namespace llasa::test {

// Joined by main.
extern llasa_world* world_of_this_process;

// What a rank does in place of tests, by the first argument; its result is the exit status.
using Part = int (*)(Collective& world);
std::map<std::string, Part>& parts();

}  // namespace llasa::test
