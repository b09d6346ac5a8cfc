#include "nibble/tensor/shape.hpp"

#include <doctest/doctest.h>

#include <cstddef>

TEST_CASE("the count of elements is the product, and a product that does not fit is no count") {
  constexpr std::size_t huge = ~std::size_t{0};
  CHECK(nibble::element_count(nibble::shape<0>{}) == 1);
  CHECK(nibble::element_count(nibble::shape<3>{2, 3, 4}) == 24);
  CHECK(nibble::element_count(nibble::shape<2>{huge, 1}) == huge);
  CHECK_FALSE(nibble::element_count(nibble::shape<2>{huge, 2}));
  CHECK_FALSE(nibble::element_count(nibble::shape<3>{std::size_t{1} << 32, std::size_t{1} << 31, 4}));
  CHECK(nibble::element_count(nibble::shape<3>{huge, huge, 0}) == 0);
  CHECK(nibble::element_count(nibble::shape<3>{0, huge, huge}) == 0);
}

TEST_CASE("row-major strides and text") {
  CHECK(nibble::row_major_strides(nibble::shape<3>{2, 3, 4}) == nibble::shape<3>{12, 4, 1});
  CHECK(nibble::text_of(nibble::shape<2>{4096, 1024}) == "(4096, 1024)");
  CHECK(nibble::text_of(nibble::shape<0>{}) == "()");
}
