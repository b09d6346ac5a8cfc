/// Gathers the kernels of one target into its table.
#if defined(NIBBLE_KERNELS_ALL_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_KERNELS_ALL_INL_HPP
#undef NIBBLE_KERNELS_ALL_INL_HPP
#else
#define NIBBLE_KERNELS_ALL_INL_HPP
#endif

#include "hwy/highway.h"
#include "nibble/kernels/compiled_formats.hpp"
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

#if HWY_TARGET == HWY_SCALAR || (defined(HWY_EMU128) && HWY_TARGET == HWY_EMU128)
inline constexpr const kernel_table& table = detail::compiled_reference;
#else

/// Fills in what multiplies integers: products with coded weights, and attention over coded keys.
template <dot Dot>
constexpr void set_integer_products(kernel_table& k) {
  any_type(quant_formats{}, [&, i = std::size_t{0}]<class Q>(std::type_identity<Q>) mutable {
    if constexpr (detail::compiled<Q> && !float_format<Q>) k.formats[i].matmul = &matmul<Q, Dot>;
    return ++i, false;
  });
  if constexpr (detail::compiled<q8_0>) k.attention[index_of<q8_0, kv_formats>] = &attention<q8_0, Dot>;
  // quads of 256 bits attend 1.17 times as fast over 4096 keys of Q8_0 (AMD EPYC Zen 5), and over those of Q4_0 no faster
  if constexpr (detail::compiled<q4_0> && Dot == target_dot) k.attention[index_of<q4_0, kv_formats>] = &attention<q4_0, Dot>;
}

inline constexpr kernel_table table = [] {
#if NIBBLE_FOLLOWS_AVX3
  kernel_table k = N_AVX3::table;
#else
  kernel_table k = detail::compiled_reference;  // packing is the same for all targets
  k.quantize = &quantize;
  k.quantize_super = &quantize_super;
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
  any_type(quant_formats{}, [&, i = std::size_t{0}]<class Q>(std::type_identity<Q>) mutable {
    if constexpr (detail::compiled<Q> && float_format<Q>) k.formats[i].matmul = &matmul<Q>;
    return ++i, false;
  });
  any_type(kv_formats{}, [&, i = std::size_t{0}]<class F>(std::type_identity<F>) mutable {
    if constexpr (detail::compiled<F>) {
      k.store_key[i] = &store_kv<F, kv_role::key>, k.store_value[i] = &store_kv<F, kv_role::value>;
      if constexpr (float_format<F>) k.attention[i] = &attention<F>;
    }
    return ++i, false;
  });
#endif
  k.target = &HWY_STR(HWY_NAMESPACE)[2];  // N_AVX2 -> AVX2
  set_integer_products<target_dot>(k);
  return k;
}();
#endif

#if HWY_TARGET == HWY_AVX2 && NIBBLE_HAS_AVX_VNNI
/// The same with 8-bit dot products, for processors that have them without AVX-512: only integer products differ.
inline constexpr kernel_table of_avx_vnni = [] {
  kernel_table k = table;
  k.target = "AVX_VNNI";
  set_integer_products<dot::quads>(k);
  return k;
}();
inline constexpr const kernel_table* avx_vnni_table = &of_avx_vnni;
#elif HWY_TARGET == HWY_AVX2
inline constexpr const kernel_table* avx_vnni_table = nullptr;
#endif

}  // namespace HWY_NAMESPACE
}  // namespace NIBBLE_ABI
}  // namespace nibble
NIBBLE_AFTER_NAMESPACE();
#endif
