// Copies that run beside the thread that asked for them, as functions of a thread (PTX ISA, "cp.async"). They arrive as
// late as a card may let them: when their thread waits for them. Until then the destination holds bits that are no
// number, and an access to it is a fault.
#pragma once

namespace cudasim {

// cp.async.cg.shared.global [shared], [global], 16, bytes: the first `bytes` of 16 copied, zeros behind them.
// Faults: addresses that are not on multiples of 16 bytes, a destination that is not in shared memory, a source that
// is not in global memory (unless bytes is 0, which reads nothing), what an ordinary load and store there would be, a
// destination to which another copy is under way.
void copy_async(void* shared, const void* global, int bytes);
// cp.async.commit_group: what the thread asked for since the last one is a group; it may be empty.
void commit_async_copies();
// cp.async.wait_group: until at most `pending` of the thread's groups, the youngest ones, are under way. Other threads see
// what arrived after a barrier.
void wait_for_async_copies(int pending);

}  // namespace cudasim
