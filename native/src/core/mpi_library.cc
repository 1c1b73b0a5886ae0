#include "core/mpi_library.h"

#include <dlfcn.h>

#include <algorithm>
#include <array>

#include "core/status.h"

namespace llasa {

namespace {

// Sizes and values that MPI's header of each family has: of Open MPI 4 and 5, and of the MPICH ABI Compatibility
// Initiative. A communicator, a datatype, a request and an error handler are alike in each.
struct OpenMpi {
  using Handle = void*;
  static void* ignored_status() { return nullptr; }
  static Handle world(void* library) { return dlsym(library, "ompi_mpi_comm_world"); }
  static Handle byte(void* library) { return dlsym(library, "ompi_mpi_byte"); }
  static Handle errors_return(void* library) { return dlsym(library, "ompi_mpi_errors_return"); }
};

struct Mpich {
  using Handle = int;
  static void* ignored_status() { return reinterpret_cast<void*>(uintptr_t{1}); }
  static Handle world(void*) { return 0x44000000; }
  static Handle byte(void*) { return 0x4c00010d; }
  static Handle errors_return(void*) { return 0x54000001; }
};

constexpr int kMaxLibraryVersion = 8192, kMaxErrorString = 1024;  // the larger of the two families
constexpr int kFunneled = 1;                                      // MPI_THREAD_FUNNELED in both

template <typename Family>
class Library final : public MpiLibrary {
 public:
  using Handle = typename Family::Handle;

  explicit Library(void* library) : library_(library) {
    const auto find = [&](auto& function, const char* name) {
      function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(library_, name));
      LLASA_CHECK(function != nullptr, Status::kWorld, "no function %s in it", name);
    };
    find(init_thread_, "MPI_Init_thread");
    find(comm_rank_, "MPI_Comm_rank");
    find(comm_size_, "MPI_Comm_size");
    find(comm_dup_, "MPI_Comm_dup");
    find(set_errhandler_, "MPI_Comm_set_errhandler");
    find(isend_, "MPI_Isend");
    find(irecv_, "MPI_Irecv");
    find(testall_, "MPI_Testall");
    find(finalize_, "MPI_Finalize");
    find(abort_, "MPI_Abort");
    find(error_string_, "MPI_Error_string");
    find(library_version_, "MPI_Get_library_version");
    byte_ = Family::byte(library_);
  }

  void start() override {
    int provided = 0;
    check(init_thread_(nullptr, nullptr, kFunneled, &provided), "MPI_Init_thread");
    LLASA_CHECK(provided >= kFunneled, Status::kWorld,
                "MPI_Init_thread: the library allows threads of level %d, needed is %d (MPI_THREAD_FUNNELED)",
                provided, kFunneled);
    check(comm_dup_(Family::world(library_), &comm_), "MPI_Comm_dup");
    check(set_errhandler_(comm_, Family::errors_return(library_)), "MPI_Comm_set_errhandler");
  }

  int rank() override { return ask(comm_rank_, "MPI_Comm_rank"); }
  int size() override { return ask(comm_size_, "MPI_Comm_size"); }

  std::string version() override {
    std::vector<char> text(kMaxLibraryVersion + 1);
    int length = 0;
    check(library_version_(text.data(), &length), "MPI_Get_library_version");
    std::string line(text.data());
    std::replace(line.begin(), line.end(), '\t', ' ');
    line.resize(std::min({line.find('\n'), line.find(','), line.size()}));
    return line;
  }

  void send(Channel channel, const void* data, int bytes, int to) override {
    check(isend_(data, bytes, byte_, to, tag(channel), comm_, next(channel)), "MPI_Isend");
  }

  void receive(Channel channel, void* data, int bytes, int from) override {
    check(irecv_(data, bytes, byte_, from, tag(channel), comm_, next(channel)), "MPI_Irecv");
  }

  bool done(Channel channel) override {
    auto& requests = requests_[channel];
    if (requests.empty()) return true;
    int flag = 0;
    check(testall_(static_cast<int>(requests.size()), requests.data(), &flag, Family::ignored_status()),
          "MPI_Testall");
    if (flag != 0) requests.clear();
    return flag != 0;
  }

  void finish() override { check(finalize_(), "MPI_Finalize"); }
  void abort(int code) override { abort_(Family::world(library_), code); }

 private:
  static int tag(Channel channel) { return channel == kData ? 1 : 2; }

  // Requests are in use by the library until they are done, but it knows them by value.
  Handle* next(Channel channel) {
    requests_[channel].emplace_back();
    return &requests_[channel].back();
  }

  int ask(int (*function)(Handle, int*), const char* name) {
    int value = 0;
    check(function(comm_, &value), name);
    return value;
  }

  void check(int code, const char* name) {
    if (code == 0) return;
    std::array<char, kMaxErrorString + 1> text{};
    int length = 0;
    if (error_string_(code, text.data(), &length) != 0) text[0] = '\0';
    fail(Status::kWorld, "%s: error %d, %s", name, code, text.data());
  }

  void* library_;
  Handle comm_{}, byte_{};
  std::array<std::vector<Handle>, kChannels> requests_;

  int (*init_thread_)(int*, char***, int, int*) = nullptr;
  int (*comm_rank_)(Handle, int*) = nullptr;
  int (*comm_size_)(Handle, int*) = nullptr;
  int (*comm_dup_)(Handle, Handle*) = nullptr;
  int (*set_errhandler_)(Handle, Handle) = nullptr;
  int (*isend_)(const void*, int, Handle, int, int, Handle, Handle*) = nullptr;
  int (*irecv_)(void*, int, Handle, int, int, Handle, Handle*) = nullptr;
  int (*testall_)(int, Handle*, int*, void*) = nullptr;
  int (*finalize_)() = nullptr;
  int (*abort_)(Handle, int) = nullptr;
  int (*error_string_)(int, char*, int*) = nullptr;
  int (*library_version_)(char*, int*) = nullptr;
};

std::unique_ptr<MpiLibrary> of_its_family(void* library) {
  if (dlsym(library, "ompi_mpi_comm_world") != nullptr) return std::make_unique<Library<OpenMpi>>(library);
  // MPICH's own functions behind the standard ones; Intel's and Cray's libraries have them as well.
  if (dlsym(library, "MPIR_Err_create_code") != nullptr || dlsym(library, "MPIR_Dup_fn") != nullptr)
    return std::make_unique<Library<Mpich>>(library);
  fail(Status::kWorld, "neither Open MPI nor of MPICH's family");
}

}  // namespace

std::unique_ptr<MpiLibrary> open_mpi_library(const std::vector<std::string>& names) {
  std::string tried;
  for (const std::string& name : names) {
    // Global: Open MPI's plug-ins look for its symbols.
    void* library = dlopen(name.c_str(), RTLD_NOW | RTLD_GLOBAL);
    try {
      LLASA_CHECK(library != nullptr, Status::kWorld, "%s", dlerror());
      return of_its_family(library);
    } catch (const Error& error) {
      tried += format("%s%s (%s)", tried.empty() ? "" : "; ", name.c_str(), error.what());
      if (library != nullptr) dlclose(library);
    }
  }
  fail(Status::kWorld, "no MPI library could be opened; LLASA_MPI_LIBRARY names one. Tried: %s",
       tried.c_str());
}

}  // namespace llasa
