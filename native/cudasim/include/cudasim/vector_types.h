// CUDA's vector types, with its alignments.
#pragma once

#define LLASA_VECTOR_TYPES(T, name, align2, align4)   \
  struct name##1 {                                    \
    T x;                                              \
  };                                                  \
  struct alignas(align2) name##2 {                    \
    T x, y;                                           \
  };                                                  \
  struct name##3 {                                    \
    T x, y, z;                                        \
  };                                                  \
  struct alignas(align4) name##4 {                    \
    T x, y, z, w;                                     \
  };                                                  \
  inline name##2 make_##name##2(T x, T y) {           \
    return {x, y};                                    \
  }                                                   \
  inline name##3 make_##name##3(T x, T y, T z) {      \
    return {x, y, z};                                 \
  }                                                   \
  inline name##4 make_##name##4(T x, T y, T z, T w) { \
    return {x, y, z, w};                              \
  }

LLASA_VECTOR_TYPES(signed char, char, 2, 4)
LLASA_VECTOR_TYPES(unsigned char, uchar, 2, 4)
LLASA_VECTOR_TYPES(short, short, 4, 8)
LLASA_VECTOR_TYPES(unsigned short, ushort, 4, 8)
LLASA_VECTOR_TYPES(int, int, 8, 16)
LLASA_VECTOR_TYPES(unsigned int, uint, 8, 16)
LLASA_VECTOR_TYPES(long long, longlong, 16, 16)
LLASA_VECTOR_TYPES(unsigned long long, ulonglong, 16, 16)
LLASA_VECTOR_TYPES(float, float, 8, 16)
LLASA_VECTOR_TYPES(double, double, 16, 16)
#undef LLASA_VECTOR_TYPES

struct dim3 {
  unsigned int x, y, z;
  constexpr dim3(unsigned int x_ = 1, unsigned int y_ = 1, unsigned int z_ = 1) : x(x_), y(y_), z(z_) {}
};

// What the running thread sees; set at every switch between threads.
extern uint3 threadIdx;
extern uint3 blockIdx;
extern dim3 blockDim;
extern dim3 gridDim;
inline constexpr int warpSize = 32;
