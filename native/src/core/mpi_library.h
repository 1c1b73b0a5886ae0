// What is used of MPI, opened at run time: Open MPI, and MPICH with those that share its binary interface (Intel
// MPI, MVAPICH, Cray). Their handles differ: pointers to exported objects there, integers here.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace llasa {

// Calls fail with Status::kWorld and MPI's own words. Threads: the one that called `start`.
class MpiLibrary {
 public:
  // Messages of different channels do not meet, and are waited for apart.
  enum Channel { kData, kBeatOut, kBeatIn, kChannels };

  virtual ~MpiLibrary() = default;

  virtual void start() = 0;
  virtual int rank() = 0;
  virtual int size() = 0;
  // Name and version, in one line.
  virtual std::string version() = 0;
  virtual void send(Channel channel, const void* data, int bytes, int to) = 0;
  virtual void receive(Channel channel, void* data, int bytes, int from) = 0;
  // Whether all that was sent and received on a channel has been; begins anew when so.
  virtual bool done(Channel channel) = 0;
  virtual void finish() = 0;
  virtual void abort(int code) = 0;
};

// Opens the first of these that can be. Throws Status::kWorld naming each with what was wrong with it.
std::unique_ptr<MpiLibrary> open_mpi_library(const std::vector<std::string>& names);

}  // namespace llasa
