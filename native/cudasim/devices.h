// The machine that is pretended: its devices, its driver, how much memory a device has, and faults to come.
// Each can be set by a test, or by the environment for a program that runs on the simulator.
#pragma once

#include <cstdint>

namespace cudasim {

constexpr int kMaximumDevices = 4;

// LLASA_CUDASIM_DEVICES, 0..4; 1.
int device_count();
void set_device_count(int count);
// LLASA_CUDASIM_DRIVER, the CUDA version it supports as 1000 major + 10 minor; 12020.
int driver_version();
void set_driver_version(int version);
// Of the calling thread.
int current_device();
void set_current_device(int device);
// LLASA_CUDASIM_FAULT_LAUNCH: that launch, counted from 1 and from now on, faults when its turn comes and
// takes the device with it: every later call fails as it did, until reset_device(). 0: none.
void fault_at_launch(int64_t launch);
// LLASA_CUDASIM_GRAPHS: how far a graph comes before memory is wanting: 0 what was recorded cannot be made one,
// 1 all the way, 2 recording does not begin, 3 it does not end.
enum Graphs { kNotMade, kMade, kNotBegun, kNotEnded };
Graphs graphs();
void set_graphs(Graphs how);
// LLASA_CUDASIM_PRODUCTS: for which products cuBLASLt knows an algorithm: 0 none, 1 those of bf16 whose leading
// dimensions are a multiple of 8 and all of f32, 2 all, 3 none, which it says by an error of its own
// (CUBLAS_STATUS_NOT_SUPPORTED) in place of a list that is empty.
int known_products();
void set_known_products(int known);
// LLASA_CUDASIM_NCCL: the version of the NCCL that is found, as 10000 major + 100 minor + patch; 0: there is none.
int nccl_version();
void set_nccl_version(int version);
// LLASA_CUDASIM_CUBLASLT: which versions of cuBLASLt are found, as a sum of 1 for 11, 2 for 12 and 4 for 13; 2.
int cublaslt_versions();
void set_cublaslt_versions(int versions);
// 11, 12 or 13: the one that was opened last, and does the products.
int opened_cublaslt();
void open_cublaslt_twin(int version);
// LLASA_CUDASIM_FAULT_COLLECTIVE: that collective of NCCL, counted from 1 and from now on, never ends, and its
// communicator reports that a remote process exited. 0: none.
void fault_at_collective(int64_t collective);
bool collective_faults_now();
// What a kernel's static arrays are said to take.
int static_shared_bytes();
void set_static_shared_bytes(int bytes);
// Whether the launch that begins now is that one.
bool faults_now();
// An environment variable that is a number; `otherwise` without it.
int64_t setting(const char* name, int64_t otherwise);

}  // namespace cudasim
