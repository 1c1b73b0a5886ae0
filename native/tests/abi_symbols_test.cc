// The shared library against the header: its symbols, and every function called with nothing but zeros.
#include <dlfcn.h>
#include <elf.h>
#include <gtest/gtest.h>

#include <cstring>
#include <set>
#include <string>

#include "fixture.h"
#include "llasa_native.h"

namespace llasa::test {
namespace {

// Functions of the header; only those that return a llasa_status if asked.
std::set<std::string> declared_functions(bool only_status = false) {
  const std::string header = read_file(LLASA_HEADER);
  std::set<std::string> names;
  for (size_t at = 0; (at = header.find("LLASA_API ", at)) != std::string::npos; ++at) {
    const std::string declaration = header.substr(at, header.find_first_of("(;", at) - at);
    const size_t name = declaration.rfind("llasa_");
    if (name == std::string::npos || declaration.find_first_of(" *\n", name) != std::string::npos) continue;
    if (!only_status || declaration.find("LLASA_MUST_USE llasa_status") != std::string::npos)
      names.insert(declaration.substr(name));
  }
  return names;
}

std::set<std::string> exported_symbols() {
  const std::string file = read_file(LLASA_LIBRARY);
  const auto at = [&]<typename T>(uint64_t offset, T& out) {
    if (offset + sizeof(T) > file.size()) throw std::runtime_error("short library");
    std::memcpy(&out, file.data() + offset, sizeof(T));
  };
  Elf64_Ehdr elf;
  at(0, elf);
  std::set<std::string> names;
  for (uint64_t i = 0; i < elf.e_shnum; ++i) {
    Elf64_Shdr section, strings;
    at(elf.e_shoff + i * sizeof section, section);
    if (section.sh_type != SHT_DYNSYM) continue;
    at(elf.e_shoff + section.sh_link * sizeof strings, strings);
    for (uint64_t offset = 0; offset < section.sh_size; offset += sizeof(Elf64_Sym)) {
      Elf64_Sym symbol;
      at(section.sh_offset + offset, symbol);
      const int bind = ELF64_ST_BIND(symbol.st_info);
      // An absolute one is the name of a version.
      if (symbol.st_shndx != SHN_UNDEF && symbol.st_shndx != SHN_ABS &&
          (bind == STB_GLOBAL || bind == STB_WEAK)) {
        names.insert(file.data() + strings.sh_offset + symbol.st_name);
      }
    }
  }
  return names;
}

TEST(AbiSymbols, ExportsExactlyWhatTheHeaderDeclares) {
  const std::set<std::string> declared = declared_functions(), exported = exported_symbols();
  EXPECT_GT(declared.size(), 50u);
  for (const std::string& name : exported)
    EXPECT_TRUE(declared.count(name)) << name << " is exported but not declared";
  for (const std::string& name : declared) {
    EXPECT_TRUE(exported.count(name)) << name << " is declared but not exported";
  }
}

void* library() {
  static void* const handle = dlopen(LLASA_LIBRARY, RTLD_NOW | RTLD_LOCAL);
  return handle;
}

TEST(AbiSymbols, CarryTheVersionOfTheAbi) {
  ASSERT_NE(library(), nullptr) << dlerror();
  const std::string version = "LLASA_" + std::to_string(LLASA_ABI_MAJOR),
                    another = "LLASA_" + std::to_string(LLASA_ABI_MAJOR + 1);
  for (const std::string& name : declared_functions()) {
    EXPECT_NE(dlvsym(library(), name.c_str(), version.c_str()), nullptr) << name;
    EXPECT_EQ(dlvsym(library(), name.c_str(), another.c_str()), nullptr) << name;
  }
}

#if defined(__x86_64__)
// Thirteen integer arguments fill the registers and the stack slots of the longest function; the calling
// convention lets a function take fewer, and the floating-point ones are in registers of their own.
using ZeroCall = int64_t (*)(int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t,
                             int64_t, int64_t, int64_t, int64_t);

int32_t call_with_zeros(const std::string& name) {
  void* symbol = dlsym(library(), name.c_str());
  if (symbol == nullptr) return -1;
  return static_cast<int32_t>(reinterpret_cast<ZeroCall>(symbol)(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0));
}

TEST(AbiSymbols, AllZeroArgumentsAreRefusedByNameAndNeverCrash) {
  ASSERT_NE(library(), nullptr) << dlerror();
  const auto last_error = reinterpret_cast<const char* (*)()>(dlsym(library(), "llasa_last_error"));
  ASSERT_NE(last_error, nullptr);
  // Nothing to do, or the default.
  const std::set<std::string> succeed = {"llasa_set_num_threads", "llasa_group_advantage",
                                         "llasa_group_advantage_on_device"};
  for (const std::string& name : declared_functions(true)) {
    const int32_t status = call_with_zeros(name);
    if (succeed.count(name) != 0) {
      EXPECT_EQ(status, LLASA_OK) << name;
      continue;
    }
    EXPECT_EQ(status, LLASA_ERR_ARGUMENT) << name;
    EXPECT_EQ(std::string(last_error()).rfind(name + ": ", 0), 0u) << name << ": " << last_error();
  }
  for (const std::string& name : declared_functions()) {
    const bool harmless = name.ends_with("_destroy") || name.ends_with("_options_init");
    if (harmless) {
      EXPECT_NE(dlsym(library(), name.c_str()), nullptr) << name;
      call_with_zeros(name);
    }
  }
}
#endif

}  // namespace
}  // namespace llasa::test
