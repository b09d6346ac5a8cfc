/// Gathers the kernels of one target into its table.
#if defined(NIBBLE_KERNELS_ALL_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_KERNELS_ALL_INL_HPP
#undef NIBBLE_KERNELS_ALL_INL_HPP
#else
#define NIBBLE_KERNELS_ALL_INL_HPP
#endif

#include "hwy/highway.h"
#include "nibble/kernels/reference.hpp"
#if HWY_TARGET != HWY_SCALAR && (!defined(HWY_EMU128) || HWY_TARGET != HWY_EMU128)
#include "nibble/kernels/activation-inl.hpp"
#include "nibble/kernels/attention-inl.hpp"
#include "nibble/kernels/elementwise-inl.hpp"
#include "nibble/kernels/hadamard-inl.hpp"
#include "nibble/kernels/kv-inl.hpp"
#include "nibble/kernels/matmul-inl.hpp"
#include "nibble/kernels/recurrent-inl.hpp"
#include "nibble/kernels/sums-inl.hpp"
#else
#undef NIBBLE_BEFORE_NAMESPACE
#undef NIBBLE_AFTER_NAMESPACE
#define NIBBLE_BEFORE_NAMESPACE HWY_BEFORE_NAMESPACE
#define NIBBLE_AFTER_NAMESPACE HWY_AFTER_NAMESPACE
#endif

NIBBLE_BEFORE_NAMESPACE();
namespace nibble {
inline namespace NIBBLE_ABI {
namespace HWY_NAMESPACE {

inline const kernel_table* table() {
#if HWY_TARGET == HWY_SCALAR || (defined(HWY_EMU128) && HWY_TARGET == HWY_EMU128)
  return &reference::table;
#else
  static constexpr kernel_table t = [] {
    kernel_table k = reference::table;      // packing is the same for all targets
    k.target = &HWY_STR(HWY_NAMESPACE)[2];  // N_AVX2 -> AVX2
    k.quantize = &quantize;
    k.quantize_super = &quantize_super;
    [&]<class... Qs>(type_list<Qs...>) {
      std::size_t i = 0;
      ((k.formats[i++].matmul = &matmul<Qs>), ...);
    }(quant_formats{});
    k.rms_norm = &rms_norm;
    k.add = &add;
    k.add_scaled = &add_scaled;
    k.sum = &sum;
    k.squared_length = &squared_length;
    k.scale = &scale;
    k.softcap = &softcap;
    k.activate = &activate;
    k.gate = &gate;
    k.xielu = &xielu;
    k.rope = &rope;
    k.multiply = &multiply;
    k.normalize = &normalize;
    k.step_decay = &step_decay;
    k.convolve = &convolve;
    k.scan = &scan;
    k.hadamard = &hadamard;
    [&]<class... Fs>(type_list<Fs...>) {
      std::size_t i = 0;
      ((k.store_key[i] = &store_kv<Fs, kv_role::key>, k.store_value[i] = &store_kv<Fs, kv_role::value>,
        k.attention[i] = &attention<Fs>, ++i),
       ...);
    }(kv_formats{});
    return k;
  }();
  return &t;
#endif
}

#if HWY_TARGET == HWY_AVX2
/// The same with 8-bit dot products, for processors that have them without AVX-512: only integer products differ. Null where
/// the compiler does not know them.
inline const kernel_table* avx_vnni_table() {
#if NIBBLE_HAS_AVX_VNNI
  static const kernel_table t = [] {
    kernel_table k = *table();
    k.target = "AVX_VNNI";
    std::size_t i = 0;
    any_type(quant_formats{}, [&]<class Q>(std::type_identity<Q>) {
      if constexpr (!float_format<Q>) k.formats[i].matmul = &matmul<Q, dot::quads>;
      ++i;
      return false;
    });
    // 1.17 times as fast over 4096 keys (AMD EPYC Zen 5); over those of Q4_0 no faster
    k.attention[index_of<q8_0, kv_formats>] = &attention<q8_0, dot::quads>;
    return k;
  }();
  return &t;
#else
  return nullptr;
#endif
}
#endif

}  // namespace HWY_NAMESPACE
}  // namespace NIBBLE_ABI
}  // namespace nibble
NIBBLE_AFTER_NAMESPACE();
#endif
