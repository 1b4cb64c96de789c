// Tiles of 4 x 4 pairs, as the builder writes and the sums read them.
#ifndef PAIRS_TILE_H_
#define PAIRS_TILE_H_

#include <cstdint>

namespace pairs {

// Bit 4 a + b of the mask is the pair of atom a of the cluster `rows` and atom b of `columns`. A
// tile without pairs fills the list up, and is passed over.
struct Tile {
  int32_t rows, columns, mask;
};

// The tiles of an array [m, 3].
struct Tiles {
  const int32_t* data;
  int64_t count;

  Tile operator[](int64_t k) const { return {data[3 * k], data[3 * k + 1], data[3 * k + 2]}; }
};

// Bit a of four becomes bit 4 a. Times four bits for the columns, that is the mask of all pairs.
inline int32_t spread(int32_t four) {
  return (four & 1) | (four & 2) << 3 | (four & 4) << 6 | (four & 8) << 9;
}

}  // namespace pairs

#endif  // PAIRS_TILE_H_
