// A world joined by MPI. One thread makes all of MPI's calls; it also sends each rank's neighbour a sign of life
// and listens for the other neighbour's, so that a rank that has gone is known while nobody waits for it.
#pragma once

#include <memory>

#include "core/collective.h"
#include "core/launch_environment.h"

namespace llasa {

// Throws Status::kState once this process has started MPI, whatever came of it. Where no library could be opened it
// may be called again.
std::unique_ptr<Collective> join_mpi_world(const LaunchEnvironment& environment);

}  // namespace llasa
