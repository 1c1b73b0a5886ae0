#include "fiber.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <vector>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif
#if defined(__SANITIZE_ADDRESS__)
#include <pthread.h>
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace cudasim {

namespace {

struct Stacks {
  Stacks() {
    page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    stride = kStackBytes + page;
    bytes = stride * kMaximumThreads;
    void* memory =
        mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
      std::perror("cudasim: reserving the stacks");
      std::abort();
    }
    begin = static_cast<char*>(memory);
    all.resize(kMaximumThreads);
    for (int i = 0; i < kMaximumThreads; ++i) {
      char* guard = begin + stride * static_cast<size_t>(i);
      mprotect(guard, page, PROT_NONE);
      all[static_cast<size_t>(i)].bottom = guard + page;
#if !defined(__x86_64__)
      all[static_cast<size_t>(i)].context = new ucontext_t();
#endif
    }
  }
  size_t page, stride, bytes;
  char* begin;
  std::vector<Stack> all;
};

Stacks& stacks() {
  static auto* instance = new Stacks();  // never destroyed: models may be, at exit
  return *instance;
}

}  // namespace

StackRange stack_range() {
  return {reinterpret_cast<uintptr_t>(stacks().begin), stacks().bytes};
}
Stack& stack(int index) {
  return stacks().all[static_cast<size_t>(index)];
}

Stack& home() {
  thread_local Stack own = [] {
    Stack s;
#if !defined(__x86_64__)
    s.context = new ucontext_t();
#endif
    return s;
  }();
  return own;
}

#if defined(__x86_64__)

// rdi: where to save our stack pointer; rsi: the one to take.
asm(R"(
.text
.p2align 4
.globl llasa_cudasim_switch
.hidden llasa_cudasim_switch
.type llasa_cudasim_switch, @function
llasa_cudasim_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size llasa_cudasim_switch, .-llasa_cudasim_switch
)");
extern "C" void llasa_cudasim_switch(void** save, void* take);

void prepare(Stack& stack, void (*entry)()) {
  // Six registers, the address that `ret` takes, and a return address of 0; entry() sees the alignment that a
  // call leaves: rsp + 8 a multiple of 16.
  auto* top = reinterpret_cast<uintptr_t*>(stack.bottom + kStackBytes);
  top -= 2;
  *--top = 0;
  *--top = reinterpret_cast<uintptr_t>(entry);
  for (int i = 0; i < 6; ++i) *--top = 0;
  stack.context = top;
}

static void jump(Stack& from, Stack& to) {
  llasa_cudasim_switch(&from.context, to.context);
}

#else

void prepare(Stack& stack, void (*entry)()) {
  auto* context = static_cast<ucontext_t*>(stack.context);
  getcontext(context);
  context->uc_stack.ss_sp = stack.bottom;
  context->uc_stack.ss_size = kStackBytes;
  context->uc_link = nullptr;
  makecontext(context, entry, 0);
}

static void jump(Stack& from, Stack& to) {
  swapcontext(static_cast<ucontext_t*>(from.context), static_cast<ucontext_t*>(to.context));
}

#endif

#if defined(__SANITIZE_ADDRESS__)

void switch_stack(Stack& from, Stack& to, bool from_is_finished) {
  void* fake = nullptr;
  const void* bottom = to.bottom;
  size_t size = kStackBytes;
  thread_local const void* home_bottom = nullptr;
  thread_local size_t home_size = 0;
  if (home_bottom == nullptr) {  // the first switch leaves the host thread's stack: noted for the way back
    pthread_attr_t attributes;
    pthread_getattr_np(pthread_self(), &attributes);
    void* address = nullptr;
    pthread_attr_getstack(&attributes, &address, &home_size);
    pthread_attr_destroy(&attributes);
    home_bottom = address;
  }
  if (&to == &home()) {
    bottom = home_bottom;
    size = home_size;
  }
  __sanitizer_start_switch_fiber(from_is_finished ? nullptr : &fake, bottom, size);
  jump(from, to);
  __sanitizer_finish_switch_fiber(fake, nullptr, nullptr);
}
void arrived() {
  __sanitizer_finish_switch_fiber(nullptr, nullptr, nullptr);
}
// The frames that were left without returning have marked their variables' surroundings.
void forget_frames(Stack& stack) {
  ASAN_UNPOISON_MEMORY_REGION(stack.bottom, kStackBytes);
}

#else

void switch_stack(Stack& from, Stack& to, bool) {
  jump(from, to);
}
void arrived() {}
void forget_frames(Stack&) {}

#endif

}  // namespace cudasim
