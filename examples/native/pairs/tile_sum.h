// Sums over the pairs of a list of tiles.
#ifndef PAIRS_TILE_SUM_H_
#define PAIRS_TILE_SUM_H_

#include <algorithm>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "pair.h"
#include "tile.h"

namespace pairs {

// Quantities of an atom as they lie in its cluster: each with all components of S, each of four
// floats, one for an atom. The values of x, y, z hold the bits of integers.
enum { kX, kY, kZ, kU, kS, kW, kV, kQuantities };

template <class S>
struct Components;
template <>
struct Components<Lanes> {
  static constexpr int count = 1;
};
template <class T>
struct Components<Dual<T>> {
  static constexpr int count = 2 * Components<T>::count;
};
template <class S>
constexpr int kRecord = 4 * kQuantities * Components<S>::count;

template <class S>
struct Load;
template <>
struct Load<Lanes> {
  static PAIRS_INLINE Lanes rows(const float* at, int part) { return by_rows(at, part); }
  static PAIRS_INLINE Lanes columns(const float* at) { return by_columns(at); }
};
template <class T>
struct Load<Dual<T>> {
  static constexpr int half = 4 * Components<T>::count;
  static PAIRS_INLINE Dual<T> rows(const float* at, int part) {
    return {Load<T>::rows(at, part), Load<T>::rows(at + half, part)};
  }
  static PAIRS_INLINE Dual<T> columns(const float* at) {
    return {Load<T>::columns(at), Load<T>::columns(at + half)};
  }
};

template <class S>
PAIRS_INLINE Atom<S> load_rows(const float* at, int part) {
  constexpr int n = 4 * Components<S>::count;
  const auto load = [&](int quantity) { return Load<S>::rows(at + quantity * n, part); };
  return {load(kX), load(kY), load(kZ), load(kU), load(kS), load(kW), load(kV)};
}
template <class S>
PAIRS_INLINE Atom<S> load_columns(const float* at) {
  constexpr int n = 4 * Components<S>::count;
  const auto load = [&](int quantity) { return Load<S>::columns(at + quantity * n); };
  return {load(kX), load(kY), load(kZ), load(kU), load(kS), load(kW), load(kV)};
}

// What is summed of a number: itself; weight * value + tangent; the same of the tangent.
PAIRS_INLINE Lanes read(const Lanes& a, float) { return a; }
PAIRS_INLINE Lanes read(const Dual<Lanes>& a, float weight) { return weight * a.value + a.tangent; }
PAIRS_INLINE Lanes read(const Dual<Dual<Lanes>>& a, float weight) {
  return read(a.tangent, weight);
}

// Sums of one task for the clusters that its tiles touch, in blocks that appear when needed.
constexpr int64_t kClustersPerBlock = 32;
enum { kSumX, kSumY, kSumZ, kSumU, kSumSigma, kSumEps };

template <bool kParameters>
struct TaskSums {
  static constexpr int kSums = kParameters ? 6 : 3;
  using Block = std::array<double, kClustersPerBlock * 4 * kSums>;

  explicit TaskSums(int64_t n_clusters)
      : blocks((n_clusters + kClustersPerBlock - 1) / kClustersPerBlock) {}

  // [kSums][4] numbers.
  PAIRS_INLINE double* of(int64_t cluster) {
    const uint64_t c = cluster;
    if (!blocks[c / kClustersPerBlock]) begin_block(c / kClustersPerBlock);
    return blocks[c / kClustersPerBlock]->data() + c % kClustersPerBlock * 4 * kSums;
  }
  [[gnu::noinline, gnu::cold]] void begin_block(uint64_t block) {
    blocks[block] = std::make_unique<Block>();
  }

  // The same, null where nothing was added.
  const double* find(int64_t cluster) const {
    const std::unique_ptr<Block>& block = blocks[cluster / kClustersPerBlock];
    return block ? block->data() + (cluster % kClustersPerBlock) * 4 * kSums : nullptr;
  }

  double energy = 0;
  std::vector<std::unique_ptr<Block>> blocks;
};

// Sums of the atoms of the rows, kept in single precision over a few tiles.
template <bool kParameters>
struct RowSums {
  static constexpr int kSums = TaskSums<kParameters>::kSums;
  Lanes energy{}, sums[kParts][kSums] = {};

  void flush(double* to, double& total) const {
    for (int k = 0; k < kLanes; ++k) total += energy[k];
    for (int pair = 0; pair < 16; ++pair)
      for (int sum = 0; sum < kSums; ++sum)
        to[4 * sum + pair / 4] += sums[pair / kLanes][sum][pair % kLanes];
  }
};

// The clusters of one frame. `present` has bit a where place a of a cluster holds an atom, `spread`
// bit 4 a.
template <class S>
struct Clusters {
  int64_t count;
  const float* records;
  const uint8_t* present;
  const uint16_t* spread;

  const float* record(int64_t cluster) const { return records + kRecord<S> * cluster; }

  // Throws where a tile leaves the list of clusters, or pairs a place that holds no atom.
  PAIRS_INLINE void check(const Tile& tile) const {
    const auto outside = [this](int32_t c) { return static_cast<uint32_t>(c) >= count; };
    if (outside(tile.rows) || outside(tile.columns) || tile.mask & ~allowed(tile)) refuse(tile);
  }

 private:
  // Bit 4 a + b where atom a of the rows and atom b of the columns are there.
  PAIRS_INLINE int32_t allowed(const Tile& tile) const {
    return spread[tile.rows] * present[tile.columns];
  }

  [[noreturn, gnu::cold]] void refuse(const Tile& tile) const {
    throw std::invalid_argument(
        "tile (" + std::to_string(tile.rows) + ", " + std::to_string(tile.columns) + ", mask " +
        std::to_string(tile.mask) + "): expected clusters from 0 to " + std::to_string(count - 1) +
        " and a mask of 16 bits, none for a place without an atom");
  }
};

// Row sums are kept in single precision over this many tiles at most.
constexpr int kTilesBetweenFlushes = 64;

// Adds what a part of a tile gives to the sums of its rows and of its columns.
template <class S, int kSums>
PAIRS_INLINE void add_pairs(const Atom<S>& i, const Atom<S>& j, const Ints& listed,
                            const float* unit, const Model& model, float weight, Lanes& energy,
                            Lanes (&rows)[kSums], double* columns) {
  const Separation<S> d(i, j, unit);
  const Ints inside = listed & d.within(model.cutoff2);
  // Only the skin of the list has brought them in.
  if (to_mask(inside) == 0) return;
  const PairTerms<S> t = pair_terms(i, j, d, model, inside);
  energy += read(t.energy, weight);
  const auto add = [&](int sum, const Lanes& to_row, const Lanes& to_column) {
    rows[sum] += to_row;
    add_four(columns + 4 * sum, over_rows(to_column));
  };
  const auto add_opposite = [&](int sum, const Lanes& to_column) {
    rows[sum] -= to_column;
    add_four(columns + 4 * sum, over_rows(to_column));
  };
  add_opposite(kSumX, read(t.x, weight));
  add_opposite(kSumY, read(t.y, weight));
  add_opposite(kSumZ, read(t.z, weight));
  if constexpr (kSums == 6) {
    const Lanes sigma = read(t.sigma, weight);
    add(kSumU, read(t.u_i, weight), read(t.u_j, weight));
    add(kSumSigma, sigma, sigma);
    add(kSumEps, read(t.eps_i, weight), read(t.eps_j, weight));
  }
}

// Adds what the pairs of the tiles give. Of a number S it sums what `read` says, with this weight.
template <class S, bool kParameters>
void sum_tiles(const Clusters<S>& clusters, const Tiles& tiles, const float* unit,
               const Model& model, float weight, TaskSums<kParameters>& out) {
  for (int64_t k = 0; k < tiles.count;) {
    const Tile first = tiles[k];
    if (first.mask == 0) {
      ++k;
      continue;
    }
    clusters.check(first);
    Atom<S> i[kParts];
    for (int part = 0; part < kParts; ++part)
      i[part] = load_rows<S>(clusters.record(first.rows), part);
    RowSums<kParameters> row;
    const int64_t stop = std::min(k + kTilesBetweenFlushes, tiles.count);
    for (; k < stop; ++k) {
      const Tile tile = tiles[k];
      if (tile.rows != first.rows || tile.mask == 0) break;
      clusters.check(tile);
      const Atom<S> j = load_columns<S>(clusters.record(tile.columns));
      double* column = out.of(tile.columns);
      for (int part = 0; part < kParts; ++part)
        add_pairs(i[part], j, from_mask(tile.mask, part), unit, model, weight, row.energy,
                  row.sums[part], column);
    }
    row.flush(out.of(first.rows), out.energy);
  }
}

}  // namespace pairs

#endif  // PAIRS_TILE_SUM_H_
