/// Widens 256 columns of sixteen rows (quant/widened.hpp) from panels: formats of grids, as their layouts say, and TQ1_0. Lanes
/// are rows.
#if defined(NIBBLE_KERNELS_WIDEN_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_KERNELS_WIDEN_INL_HPP
#undef NIBBLE_KERNELS_WIDEN_INL_HPP
#else
#define NIBBLE_KERNELS_WIDEN_INL_HPP
#endif

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "nibble/core/half.hpp"
#include "nibble/kernels/ops-inl.hpp"
#include "nibble/quant/grid_layout.hpp"
#include "nibble/quant/panel.hpp"
#include "nibble/quant/tq1_0.hpp"

NIBBLE_BEFORE_NAMESPACE();
namespace nibble {
inline namespace NIBBLE_ABI {
namespace HWY_NAMESPACE {

/// Words of 16 bits of some rows, and their bytes widened to 32 bits.
using word_tag = hn::CappedTag<std::uint16_t, 16>;
using word_vec = hn::Vec<word_tag>;
using unsigned_tag = hn::RebindToUnsigned<float_tag>;

/// One number of each row's block. words: from the first of these rows on.
HWY_INLINE word_vec read_bits(const bit_field& field, const std::uint16_t* words, std::size_t granule, std::size_t part) {
  const word_tag d;
  const unsigned at = field.at(granule, part), shift = at % 16;
  const std::uint16_t* word = words + at / 16 * panel_rows;
  auto v = hn::ShiftRightSame(hn::LoadU(d, word), int(shift));
  if (shift + field.bits > 16) v = hn::Or(v, hn::ShiftLeftSame(hn::LoadU(d, word + panel_rows), int(16 - shift)));
  return field.bits == 16 ? v : hn::And(v, hn::Set(d, static_cast<std::uint16_t>((1u << field.bits) - 1)));
}

/// Eight signs of which seven are stored, see detail::even_signs.
HWY_INLINE word_vec even_signs(word_vec seven) {
  alignas(16) static constexpr std::uint8_t eighth[16] = {0, 128, 128, 0, 128, 0, 0, 128, 128, 0, 0, 128, 0, 128, 128, 0};
  const word_tag d;
  const hn::Repartition<std::uint8_t, word_tag> d8;
  const auto nibble = hn::And(hn::Xor(seven, hn::ShiftRight<4>(seven)), hn::Set(d, 15));
  return hn::Or(seven, hn::BitCast(d, hn::TableLookupBytes(hn::LoadDup128(d8, eighth), hn::BitCast(d8, nibble))));
}

/// What is read of a unit before its points are looked up: of point i of granule g, and of eight columns: signs, or 1 or -1 in
/// a byte.
struct grid_unit {
  alignas(64) std::uint16_t point[64][panel_rows];
  alignas(64) std::uint16_t beside[32][panel_rows];
};

/// Reads points and what stands beside them.
HWY_INLINE void read_points(const grid_layout& layout, const std::uint16_t* words, grid_unit& to) {
  const word_tag d;
  const std::size_t points = 32 / layout.columns;
  for (std::size_t r = 0; r < panel_rows; r += hn::Lanes(d)) {
    for (std::size_t g = 0; g < 8; ++g) {
      NIBBLE_UNROLL for (std::size_t i = 0; i < points; ++i) {
        auto point = read_bits(layout.point, words + r, g, i);
        if (layout.beyond.bits > 0) {
          point = hn::Or(point, hn::ShiftLeftSame(read_bits(layout.beyond, words + r, g, i), int(layout.point.bits)));
        }
        hn::Store(point, d, to.point[g * points + i] + r);
      }
      NIBBLE_UNROLL for (std::size_t k = 0; k < 4; ++k) {
        const bool signs = layout.signs.bits > 0;
        auto beside = read_bits(signs ? layout.signs : layout.down, words + r, g, k);
        if (layout.signs.bits == 7) beside = even_signs(beside);
        if (!signs) beside = hn::Sub(hn::Set(d, 1), hn::Add(beside, beside));
        hn::Store(beside, d, to.beside[4 * g + k] + r);
      }
    }
  }
}

/// Reads scales: d * unit * (2 * step + 1).
HWY_INLINE void read_scales(const grid_layout& layout, const std::uint16_t* words, scale_panel<two_scales>* to) {
  const word_tag d;
  const hn::Rebind<std::uint16_t, int_tag> d_part;
  const std::size_t halves = layout.step.from_part > 0 ? 2 : 1;
  alignas(64) half d_of[panel_rows];
  alignas(64) std::uint16_t odd[8][2][panel_rows];
  for (std::size_t r = 0; r < panel_rows; r += hn::Lanes(d)) {
    auto bits = hn::Zero(d);
    NIBBLE_UNROLL for (std::size_t i = 0; i < 16 / layout.d.bits; ++i) {
      bits = hn::Or(bits, hn::ShiftLeftSame(read_bits(layout.d, words + r, 0, i), int(i * layout.d.bits)));
    }
    hn::Store(bits, d, reinterpret_cast<std::uint16_t*>(d_of) + r);
    for (std::size_t g = 0; g < 8; ++g) {
      NIBBLE_UNROLL for (std::size_t j = 0; j < halves; ++j) {
        const auto step = read_bits(layout.step, words + r, g, j);
        hn::Store(hn::Add(hn::Add(step, step), hn::Set(d, 1)), d, odd[g][j] + r);
      }
    }
  }
  for (std::size_t r = 0; r < panel_rows; r += lanes) {
    const auto unit = hn::Mul(load(d_of + r), hn::Set(float_tag(), layout.unit));
    for (std::size_t g = 0; g < 8; ++g) {
      NIBBLE_UNROLL for (std::size_t j = 0; j < 2; ++j) {
        const auto* step = odd[g][j < halves ? j : 0] + r;
        const auto times = hn::ConvertTo(float_tag(), hn::PromoteTo(int_tag(), hn::Load(d_part, step)));
        hn::Store(hn::Mul(unit, times), float_tag(), to[g].d[j].data() + r);
      }
    }
  }
}

/// The points of one granule, as they stand in a grid, before they become quads. Points of eight columns are two quads each:
/// of `lanes` rows those of even ones first.
using raw_points = std::uint8_t[8 * 64];
constexpr std::size_t place_of_row(std::size_t columns, std::size_t row) {
  return columns == 4 ? row : row / lanes * lanes + row % 2 * (lanes / 2) + row % lanes / 2;
}
template <class Point>
HWY_INLINE void look_up(const Point* grid, const std::uint16_t (*point)[panel_rows], std::uint8_t* to) {
  constexpr std::size_t columns = sizeof(Point);
  for (std::size_t i = 0; i < 32 / columns; ++i) {
    NIBBLE_UNROLL for (std::size_t row = 0; row < panel_rows; ++row) {
      Point p = grid[alone(std::size_t{point[i][row]})];
      if constexpr (columns == 4) p = alone(p);
      std::memcpy(to + (i * panel_rows + place_of_row(columns, row)) * columns, &p, columns);
    }
  }
}
/// Quads 2 k and 2 k + 1 of a granule.
struct two_quads {
  byte_vec first, second;
  HWY_INLINE two_quads(byte_vec a, byte_vec b) : first(a), second(b) {}
};
template <std::size_t Columns>
HWY_INLINE two_quads read_quads(const std::uint8_t* points, std::size_t k, std::size_t r) {
  const byte_tag d;
  if constexpr (Columns == 4) {
    return {hn::Load(d, points + k * 128 + r * 4), hn::Load(d, points + k * 128 + 64 + r * 4)};
  } else {
    const unsigned_tag d32;
    const hn::Repartition<std::uint64_t, byte_tag> d64;
    const auto even = hn::Load(d, points + k * 128 + r * 8), odd = hn::Load(d, points + k * 128 + r * 8 + lanes * 4);
    const auto up = hn::BitCast(d32, hn::ShiftLeft<32>(hn::BitCast(d64, odd)));
    const auto down = hn::BitCast(d32, hn::ShiftRight<32>(hn::BitCast(d64, even)));
    return {hn::BitCast(d, hn::OddEven(up, hn::BitCast(d32, even))), hn::BitCast(d, hn::OddEven(hn::BitCast(d32, odd), down))};
  }
}

/// Makes codes of one granule: sizes with signs, or codes that are shifted.
template <std::size_t Columns, bool Signs>
HWY_INLINE void write_codes(const std::uint8_t* points, const std::uint16_t (*beside)[panel_rows], int zero, std::uint8_t* to) {
  alignas(16) static constexpr std::uint8_t first_byte[16] = {0, 0, 0, 0, 4, 4, 4, 4, 8, 8, 8, 8, 12, 12, 12, 12};
  const byte_tag d;
  const unsigned_tag d32;
  const hn::Rebind<std::uint16_t, unsigned_tag> d16;
  const auto everywhere = hn::LoadDup128(d, first_byte);
  const auto zero_point = hn::Set(d, static_cast<std::uint8_t>(zero));
  NIBBLE_UNROLL for (std::size_t k = 0; k < 4; ++k) {
    NIBBLE_UNROLL_ROWS for (std::size_t r = 0; r < panel_rows; r += lanes) {
      const auto quads = read_quads<Columns>(points, k, r);
      const auto wide = hn::PromoteTo(d32, hn::Load(d16, beside[k] + r));
      const auto byte = hn::TableLookupBytes(hn::BitCast(d, wide), everywhere);
      const auto code = [&](byte_vec v, std::uint32_t four) NIBBLE_ATTR {
        if constexpr (!Signs) return hn::Add(v, byte);
        const auto bits = hn::BitCast(d, hn::Set(d32, four));
        const auto minus = hn::VecFromMask(d, hn::Eq(hn::And(byte, bits), bits));
        return hn::Sub(hn::Xor(v, minus), hn::Sub(minus, zero_point));
      };
      hn::Store(code(quads.first, 0x08040201u), d, to + k * 128 + r * 4);
      hn::Store(code(quads.second, 0x80402010u), d, to + k * 128 + 64 + r * 4);
    }
  }
}

/// Codes are made a granule later than their points are looked up: loads of what several stores have just made would wait.
template <class Point, bool Signs>
HWY_NOINLINE void write_unit(const Point* grid, const grid_unit& of, int zero, std::uint8_t* codes) {
  constexpr std::size_t columns = sizeof(Point), points = 32 / columns;
  alignas(64) raw_points raw[2];
  look_up(grid, of.point, raw[0]);
  for (std::size_t g = 0; g < 8; ++g, codes += 8 * 64) {
    if (g < 7) look_up(grid, of.point + (g + 1) * points, raw[(g + 1) % 2]);
    write_codes<columns, Signs>(raw[g % 2], of.beside + 4 * g, zero, codes);
  }
}

/// The digits of TQ1_0, as codes. A digit is what a byte, as a fraction of 256, carries when it is tripled; bytes are 128 less
/// here, so that they compare as signed ones, and tripling keeps that.
HWY_NOINLINE inline void write_ternary(const std::uint16_t* words, std::uint8_t* codes, scale_panel<two_scales>* scales) {
  const signed_byte_tag d;
  const unsigned_tag d32;
  const hn::Rebind<std::uint16_t, unsigned_tag> d16;
  const auto zero = hn::Set(d, std::int8_t{wide_of<tq1_0>::zero_point - 1});
  const auto below_one = in_order(hn::Set(d, std::int8_t{85 - 128})), below_two = in_order(hn::Set(d, std::int8_t{170 - 128}));
  for (std::size_t r = 0; r < panel_rows; r += lanes) {
    const auto spread = [&](std::size_t four_bytes, std::size_t digits, std::size_t column, std::size_t step) NIBBLE_ATTR {
      const auto* word = words + 2 * four_bytes * panel_rows + r;
      const auto low = hn::PromoteTo(d32, hn::LoadU(d16, word)), high = hn::PromoteTo(d32, hn::LoadU(d16, word + panel_rows));
      auto part = hn::BitCast(d, hn::Xor(hn::Or(low, hn::ShiftLeft<16>(high)), hn::Set(d32, 0x80808080u)));
      NIBBLE_UNROLL for (std::size_t k = 0; k < digits; ++k, column += step) {
        const auto one = hn::VecFromMask(d, hn::Gt(part, below_one));
        const auto two = hn::VecFromMask(d, hn::Gt(part, below_two));
        const auto code = hn::Sub(hn::Sub(zero, one), two);
        hn::Store(hn::BitCast(byte_tag(), code), byte_tag(), codes + column * 16 + r * 4);
        part = hn::Add(hn::Add(part, part), part);
      }
    };
    for (std::size_t i = 0; i < 8; ++i) spread(i, 5, 4 * i, 32);
    for (std::size_t i = 0; i < 4; ++i) spread(8 + i, 5, 160 + 4 * i, 16);
    spread(12, 4, 240, 4);
    const auto scale = load(reinterpret_cast<const half*>(words + 26 * panel_rows) + r);
    for (std::size_t g = 0; g < 8; ++g) {
      for (auto& d_of : scales[g].d) hn::Store(scale, float_tag(), d_of.data() + r);
    }
  }
}

/// widen_unit for the formats that are known here, and for others widen_unit itself.
template <widened_format Q>
void widen(const std::byte* rows, std::size_t row_bytes, std::size_t count, std::size_t first, std::size_t columns,
           std::byte* unit) noexcept {
  constexpr bool ternary = std::is_same_v<Q, tq1_0>;
  if constexpr (grid_format<Q> || ternary) {
    alignas(64) std::byte packed[unit_bytes<Q>(unit_columns<Q>)];
    const std::byte* panel = packed;
    if (row_bytes == 0) {
      panel = rows + first / unit_columns<Q> * unit_bytes<Q>(unit_columns<Q>);
      prefetch_ahead<1>(panel, unit_bytes<Q>(unit_columns<Q>));
    } else {
      if (count < panel_rows) std::memset(packed, 0, sizeof packed);
      pack_unit<Q>(rows + stored_bytes<Q>(first), count, row_bytes, columns, packed);
    }
    const auto* words = reinterpret_cast<const std::uint16_t*>(panel);
    const panel_unit<wide_of<Q>, std::byte> to(unit, columns);
    if constexpr (ternary) {
      write_ternary(words, to.codes, to.scales);
    } else {
      grid_unit read;
      read_points(Q::layout, words, read);
      read_scales(Q::layout, words, to.scales);
      using point = typename std::remove_cvref_t<decltype(Q::grid)>::value_type;
      write_unit<point, (Q::layout.signs.bits > 0)>(Q::grid.data(), read, wide_of<Q>::zero_point, to.codes);
    }
  } else {
    widen_unit<Q>(rows, row_bytes, count, first, columns, unit);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace NIBBLE_ABI
}  // namespace nibble
NIBBLE_AFTER_NAMESPACE();
#endif
