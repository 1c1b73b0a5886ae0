// Does the compiler take the language of native/src? build.sh links this, with the flags of the widest instruction set.
#include <bit>
#include <concepts>
#include <numbers>
#include <span>
#include <version>

static_assert(__cplusplus >= 202002L && __cpp_lib_bit_cast >= 201806L);

int main() {
  const float pi[] = {std::numbers::pi_v<float>};
  const auto bits = []<std::floating_point T>(std::span<const T> x) { return std::bit_cast<unsigned>(x[0]); };
  return bits(std::span<const float>(pi)) == 0;
}
