// Threads of a block as fibers: each has its own stack, all share the calling host thread. A switch saves the
// callee-saved registers and changes the stack pointer, about 2 ns; other processors than x86-64 use
// ucontext.
#pragma once

#include <cstddef>
#include <cstdint>

namespace cudasim {

struct Stack {
  char* bottom = nullptr;   // lowest address
  void* context = nullptr;  // saved stack pointer, or a ucontext_t
};

constexpr size_t kStackBytes = size_t{128} << 10;
constexpr int kMaximumThreads = 1024;

// All stacks lie in one range, each behind an inaccessible page: an overflow stops the program there.
struct StackRange {
  uintptr_t begin;
  size_t bytes;
};
StackRange stack_range();
Stack& stack(int index);
// Prepares the stack so that the first switch to it calls entry().
void prepare(Stack& stack, void (*entry)());

// The host thread's own stack, from which a block is started and to which it returns.
Stack& home();
// Saves here in `from` and continues in `to`. `from` is not used again when it is finished.
void switch_stack(Stack& from, Stack& to, bool from_is_finished = false);
// Before a stack is used again whose functions never returned.
void forget_frames(Stack& stack);
// First thing that entry() must call: completes the switch that led to it.
void arrived();

}  // namespace cudasim
