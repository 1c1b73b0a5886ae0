#include "block.h"

#include <algorithm>
#include <vector>

#include "fault.h"
#include "shared_memory.h"
#include "state.h"

#define LLASA_BUILTIN __attribute__((section("llasa_builtin")))
LLASA_BUILTIN uint3 threadIdx{};
LLASA_BUILTIN uint3 blockIdx{};
LLASA_BUILTIN dim3 blockDim{};
LLASA_BUILTIN dim3 gridDim{};

namespace cudasim {

State state;
constinit thread_local bool State::in_kernel __attribute__((tls_model("initial-exec"))) = false;

namespace {

struct Block {
  const Launch* launch = nullptr;
  std::vector<Thread> threads;
  std::vector<Stack*> free_stacks;
  int stacks_made = 0;
  int running = -1;
  int done = 0;
  int at_barrier = 0;
  bool abandoned = false;
};
Block block;

int count() {
  return static_cast<int>(block.threads.size());
}

void enter(Thread& thread) {
  block.running = state.thread = thread.linear;
  threadIdx = thread.index;
}

Stack* take_stack() {
  if (!block.free_stacks.empty()) {
    Stack* stack = block.free_stacks.back();
    block.free_stacks.pop_back();
    return stack;
  }
  return &stack(block.stacks_made++);
}

// The next thread that can run, after the running one in order, or NULL.
Thread* next_ready() {
  const size_t n = block.threads.size(), running = static_cast<size_t>(block.running);
  for (size_t i = running + 1; i < n; ++i) {
    if (block.threads[i].state == ThreadState::kReady) return &block.threads[i];
  }
  for (size_t i = 0; i <= running; ++i) {
    if (block.threads[i].state == ThreadState::kReady) return &block.threads[i];
  }
  return nullptr;
}

// What every fiber runs: one thread after another, as long as the next one has no stack of its own yet.
void fiber_main() {
  arrived();
  for (;;) {
    Thread* self = &block.threads[static_cast<size_t>(block.running)];
    state.in_kernel = true;
    const Call& call = block.launch->call;
    call.invoke(call.kernel, call.parameters.get());
    state.in_kernel = false;
    self->state = ThreadState::kDone;
    ++block.done;
    Stack* own = self->stack;
    self->stack = nullptr;
    Thread* next = next_ready();
    if (next != nullptr && next->stack == nullptr) {
      next->stack = own;
      enter(*next);
      continue;
    }
    block.free_stacks.push_back(own);
    if (next != nullptr) {
      enter(*next);
      state.in_kernel = true;
      switch_stack(*own, *next->stack, true);
    } else {
      switch_stack(*own, home(), true);
    }
  }
}

void start_or_resume(Stack& from, Thread& thread) {
  enter(thread);
  if (thread.stack == nullptr) {
    thread.stack = take_stack();
    forget_frames(*thread.stack);  // of a thread that ended there
    prepare(*thread.stack, fiber_main);
  }
  switch_stack(from, *thread.stack);
}

// Waits until the running thread is ready again.
void wait() {
  Thread& self = current_thread();
  state.in_kernel = false;
  Thread* next = next_ready();
  if (next != nullptr) {
    if (next->stack != nullptr) state.in_kernel = true;
    start_or_resume(*self.stack, *next);
  } else {
    switch_stack(*self.stack, home());
  }
  state.in_kernel = true;
}

void release_barrier() {
  BarrierVotes votes{0, 1, 0};
  for (const Thread& thread : block.threads) {
    votes.count += thread.predicate;
    votes.all = votes.all && thread.predicate;
    votes.any = votes.any || thread.predicate;
  }
  for (Thread& thread : block.threads) {
    thread.votes = votes;
    thread.state = ThreadState::kReady;
  }
  block.at_barrier = 0;
  note_block_barrier();
}

std::string thread_text(const Thread& thread) {
  return text("(%u,%u,%u)", thread.index.x, thread.index.y, thread.index.z);
}

// No thread can go on: says who waits where.
std::string deadlock() {
  const auto waiting = [](ThreadState s) {
    return std::find_if(block.threads.begin(), block.threads.end(),
                        [s](const Thread& t) { return t.state == s; });
  };
  const auto end = block.threads.end();
  const auto barrier = waiting(ThreadState::kAtBarrier), warp = waiting(ThreadState::kInWarp);
  const auto done = waiting(ThreadState::kDone);
  std::string message = "divergent barrier: ";
  if (barrier != end) message += "thread " + thread_text(*barrier) + " waits in " + barrier->waits_in;
  if (warp != end) {
    message += (barrier != end ? ", thread " : "thread ") + thread_text(*warp) +
               text(" waits in %s(0x%08x)", warp->waits_in, warp->mask);
    const auto other = std::find_if(block.threads.begin(), end, [&](const Thread& t) {
      return t.state == ThreadState::kInWarp && (t.complete != warp->complete || t.mask != warp->mask) &&
             t.linear / kWarp == warp->linear / kWarp;
    });
    if (other != end) {
      message += ", thread " + thread_text(*other) + text(" in %s(0x%08x)", other->waits_in, other->mask);
    }
  }
  if (done != end) message += ", thread " + thread_text(*done) + " has ended";
  return message;
}

void run_block() {
  begin_block(block.launch->shared_bytes);
  for (;;) {
    block.running = count() - 1;  // so that the search starts at thread 0
    if (Thread* next = next_ready()) {
      if (next->stack != nullptr) state.in_kernel = true;
      start_or_resume(home(), *next);
      state.in_kernel = false;
      if (block.abandoned) return;
      continue;
    }
    if (block.done == count()) return;
    // Reached only when a barrier waits for a thread that has ended or waits elsewhere.
    const auto stuck = std::find_if(block.threads.begin(), block.threads.end(),
                                    [](const Thread& t) { return t.state != ThreadState::kDone; });
    enter(*stuck);
    set_device_fault(cudaErrorLaunchFailure, "kernel `" + block.launch->kernel + "`, block " +
                                                 text("(%u,%u,%u)", blockIdx.x, blockIdx.y, blockIdx.z) +
                                                 ": " + deadlock());
    block.abandoned = true;
    return;
  }
}

}  // namespace

Thread& current_thread() {
  return block.threads[static_cast<size_t>(block.running)];
}
const char* current_kernel() {
  return block.launch->kernel.c_str();
}
int current_lane() {
  return current_thread().linear % kWarp;
}

void abandon_launch() {
  block.abandoned = true;
  state.in_kernel = false;
  switch_stack(*current_thread().stack, home(), true);
  __builtin_unreachable();
}

bool run(const Launch& launch) {
  block.launch = &launch;
  block.abandoned = false;
  blockDim = launch.block;
  gridDim = launch.grid;
  state.parameters = {reinterpret_cast<uintptr_t>(launch.call.parameters.get()), launch.call.parameter_bytes};
  const int threads = static_cast<int>(launch.block.x * launch.block.y * launch.block.z);
  block.threads.resize(static_cast<size_t>(threads));
  for (unsigned z = 0; z < launch.grid.z; ++z) {
    for (unsigned y = 0; y < launch.grid.y; ++y) {
      for (unsigned x = 0; x < launch.grid.x; ++x) {
        blockIdx = {x, y, z};
        block.free_stacks.clear();
        block.stacks_made = 0;
        block.done = 0;
        block.at_barrier = 0;
        for (int i = 0; i < threads; ++i) {
          Thread& thread = block.threads[static_cast<size_t>(i)];
          thread = Thread{};
          const auto linear = static_cast<unsigned>(i);
          thread.linear = i;
          thread.index = {linear % launch.block.x, linear / launch.block.x % launch.block.y,
                          linear / launch.block.x / launch.block.y};
        }
        run_block();
        if (block.abandoned) {
          for (int i = 0; i < block.stacks_made; ++i) forget_frames(stack(i));
          return false;
        }
      }
    }
  }
  return true;
}

BarrierVotes block_barrier_votes(const char* name, int predicate) {
  if (block.running < 0 || !state.in_kernel) fault("barrier outside a kernel");
  Thread& self = current_thread();
  self.state = ThreadState::kAtBarrier;
  self.waits_in = name;
  self.predicate = predicate != 0;
  if (++block.at_barrier == count()) {
    release_barrier();
  } else {
    wait();
  }
  return self.votes;
}
void block_barrier(const char* name) {
  block_barrier_votes(name, 0);
}

void warp_collective(const char* name, uint32_t mask, const void* input, void* output, Complete complete,
                     bool memory) {
  if (!state.in_kernel) fault("warp collective outside a kernel");
  Thread& self = current_thread();
  const int first = self.linear / kWarp * kWarp;
  const int lanes = std::min(kWarp, count() - first);
  if ((mask >> (self.linear - first) & 1u) == 0) {
    kernel_fault(text("%s: the calling lane is not in its mask 0x%08x", name, mask));
  }
  const uint32_t existing = lanes == kWarp ? 0xffffffffu : (1u << lanes) - 1u;
  if ((mask & ~existing) != 0) {
    kernel_fault(text("%s: mask 0x%08x names lanes that the block does not have (the warp has %d)", name,
                      mask, lanes));
  }
  self.waits_in = name;
  self.mask = mask;
  self.input = input;
  self.output = output;
  self.complete = complete;
  self.state = ThreadState::kInWarp;
  // From the last lane down: it usually comes last.
  for (int lane = lanes - 1; lane >= 0; --lane) {
    if ((mask >> lane & 1u) == 0) continue;
    const Thread& other = block.threads[static_cast<size_t>(first + lane)];
    if (other.state == ThreadState::kInWarp && other.mask == mask && other.complete == complete) continue;
    if (other.state == ThreadState::kDone) {
      kernel_fault(text("%s: mask 0x%08x names lane %d, which has ended", name, mask, lane));
    }
    wait();
    return;
  }
  Lanes all{mask, {}, {}};
  for (int lane = 0; lane < lanes; ++lane) {
    if ((mask >> lane & 1u) == 0) continue;
    const Thread& other = block.threads[static_cast<size_t>(first + lane)];
    all.input[lane] = other.input;
    all.output[lane] = other.output;
  }
  if (complete != nullptr) complete(all);
  for (int lane = 0; lane < lanes; ++lane) {
    if ((mask >> lane & 1u) != 0)
      block.threads[static_cast<size_t>(first + lane)].state = ThreadState::kReady;
  }
  if (memory) note_warp_sync(first / kWarp, mask, mask == existing);
}

}  // namespace cudasim
