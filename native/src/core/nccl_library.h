// What is used of NCCL, opened at run time: its calls as NVIDIA's user guide declares them ("NCCL API"), so that no
// header of it is needed to build. Enumerations are ints in C; a communicator and a CUDA stream are pointers.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace llasa {

// ncclResult_t
constexpr int kNcclSuccess = 0, kNcclInProgress = 7;
// ncclDataType_t, ncclRedOp_t
constexpr int kNcclInt8 = 0, kNcclFloat32 = 7, kNcclSum = 0;

// ncclUniqueId
struct NcclId {
  char bytes[128];
};

// ncclConfig_t of 2.14, the first with communicators that do not block; later versions read it as what it is.
struct NcclConfig {
  size_t size = sizeof(NcclConfig);
  unsigned magic = 0xcafebeef;
  unsigned version = kVersion;
  int blocking = 0;

  static constexpr int kVersion = 21400;
};

struct NcclLibrary {
  int (*get_version)(int* version) = nullptr;
  int (*get_unique_id)(NcclId* id) = nullptr;
  int (*comm_init_rank_config)(void** comm, int ranks, NcclId id, int rank, NcclConfig* config) = nullptr;
  int (*comm_finalize)(void* comm) = nullptr;
  int (*comm_destroy)(void* comm) = nullptr;
  int (*comm_abort)(void* comm) = nullptr;
  int (*comm_get_async_error)(void* comm, int* error) = nullptr;
  const char* (*get_error_string)(int result) = nullptr;
  const char* (*get_last_error)(void* comm) = nullptr;
  int (*reduce_scatter)(const void* send, void* receive, size_t receive_count, int type, int operation,
                        void* comm, void* stream) = nullptr;
  int (*all_gather)(const void* send, void* receive, size_t send_count, int type, void* comm,
                    void* stream) = nullptr;
  int (*reduce)(const void* send, void* receive, size_t count, int type, int operation, int root, void* comm,
                void* stream) = nullptr;
  int (*broadcast)(const void* send, void* receive, size_t count, int type, int root, void* comm,
                   void* stream) = nullptr;
  int (*group_start)() = nullptr;
  int (*group_end)() = nullptr;

  int version = 0;   // as NCCL counts: 10000 major + 100 minor + patch
  std::string name;  // in words
};

std::string nccl_name(int version);

// Throws Status::kWorld saying what is wrong with it. It stays open for the life of the process.
NcclLibrary open_nccl_library(const std::string& file);

}  // namespace llasa
