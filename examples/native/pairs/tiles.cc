// Handlers that build the list of tiles: atoms in clusters of four neighbours, then all pairs of
// clusters with a pair of atoms within the radius. The work grows with the number of atoms, but for
// one sort.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "gradion/parallel.h"
#include "guarded.h"
#include "lanes.h"
#include "tile.h"
#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;

using In1 = ffi::BufferR1<ffi::F64>;
using In2 = ffi::BufferR2<ffi::F64>;
using Index1 = ffi::BufferR1<ffi::S32>;
using Index2 = ffi::BufferR2<ffi::S32>;
using Index0 = ffi::BufferR0<ffi::S32>;

namespace {

using pairs::Bits;
using pairs::Ints;
using pairs::kLanes;
using pairs::Lanes;
using pairs::Tile;

constexpr int64_t kClustersPerTask = 128;
// On the square of the radius: pairs that lie on it to round-off are listed.
constexpr double kMargin = 1 + 1e-5;

// Around the atoms of a cluster: its centre as fixed-point numbers, half of its edges [nm].
struct Extent {
  uint32_t centre[3] = {};
  float half[3] = {};
};

// Extents of all clusters by the cell of their centre, so that kLanes are looked at together.
struct Extents {
  explicit Extents(size_t count) : cluster(count + kLanes, -1) {
    for (int k = 0; k < 3; ++k) centre[k].resize(count + kLanes), half[k].resize(count + kLanes);
  }
  void set(int64_t at, const Extent& e, int32_t c) {
    for (int k = 0; k < 3; ++k) centre[k][at] = e.centre[k], half[k][at] = e.half[k];
    cluster[at] = c;
  }

  std::vector<uint32_t> centre[3];
  std::vector<float> half[3];
  std::vector<int32_t> cluster;
};

// Four atoms: places as fixed-point numbers, molecules, and bit a of `present` for atom a.
struct Cluster {
  uint32_t x[3][4] = {};
  int32_t molecule[4] = {};
  int32_t present = 0;
};

class TileList {
 public:
  TileList(double radius, int64_t n_atoms, const double* positions, const double* box,
           const int32_t* molecule)
      : radius_(radius), n_(n_atoms), positions_(positions), molecule_(molecule) {
    if (!(radius > 0)) throw std::invalid_argument("radius is " + std::to_string(radius) +
                                                   " nm; expected more than 0");
    for (int k = 0; k < 3; ++k) {
      if (!(box[k] >= 2 * radius) || !std::isfinite(box[k]))
        throw std::invalid_argument("box edge " + std::to_string(k) + " is " +
                                    std::to_string(box[k]) + " nm; expected at least twice the " +
                                    "radius of " + std::to_string(radius) + " nm");
      box_[k] = box[k];
      unit_[k] = static_cast<float>(box[k] / 4294967296.0);
    }
    for (int64_t i = 0; i < 3 * n_; ++i)
      if (!std::isfinite(positions[i] / box[i % 3]))
        throw std::invalid_argument("the position of atom " + std::to_string(i / 3) +
                                    " is not finite, or counted in edges of the box");
  }

  void build(ffi::ThreadPool& pool) {
    sort_atoms();
    clusters_.resize(order_.size() / 4);
    const int64_t n_tasks = (clusters_.size() + kClustersPerTask - 1) / kClustersPerTask;
    for (size_t c = 0; c < clusters_.size(); ++c) clusters_[c] = make_cluster(&order_[4 * c]);
    fill_cells();
    parts_.resize(n_tasks);
    gradion::parallel_for(pool, n_tasks, [&](int64_t task) { search(task); });
  }

  int64_t count() const {
    int64_t total = 0;
    for (const auto& part : parts_) total += part.size();
    return total;
  }

  void write(int32_t* order, int32_t* tiles) const {
    std::copy(order_.begin(), order_.end(), order);
    for (const auto& part : parts_)
      for (const Tile& tile : part) {
        tiles[0] = tile.rows, tiles[1] = tile.columns, tiles[2] = tile.mask;
        tiles += 3;
      }
  }

 private:
  double fraction(int64_t atom, int k) const {
    const double turns = positions_[3 * atom + k] / box_[k];
    return turns - std::floor(turns);
  }

  // Through columns along z that are as wide as four atoms are high, to and fro, so that each four
  // in a row are neighbours, and so are most clusters in a row.
  void sort_atoms() {
    const double width = std::cbrt(4 * box_[0] * box_[1] * box_[2] / std::max<int64_t>(n_, 1));
    const int64_t most = std::max<int64_t>(n_, 1);
    const int64_t nx = std::clamp<int64_t>(std::llround(box_[0] / width), 1, most);
    const int64_t ny = std::clamp<int64_t>(std::llround(box_[1] / width), 1, most);
    std::vector<std::pair<double, int32_t>> sorted(n_);
    for (int64_t i = 0; i < n_; ++i) {
      const int64_t ix = std::min(static_cast<int64_t>(fraction(i, 0) * nx), nx - 1);
      const int64_t iy = std::min(static_cast<int64_t>(fraction(i, 1) * ny), ny - 1);
      const int64_t column = ix * ny + (ix % 2 ? ny - 1 - iy : iy);
      const double z = std::min(fraction(i, 2), 1 - 1e-9);
      sorted[i] = {column + (column % 2 ? 1 - 1e-9 - z : z), static_cast<int32_t>(i)};
    }
    std::sort(sorted.begin(), sorted.end());
    order_.assign((n_ + 3) / 4 * 4, -1);
    for (int64_t i = 0; i < n_; ++i) order_[i] = sorted[i].second;
  }

  Cluster make_cluster(const int32_t* atoms) const {
    Cluster c;
    for (int a = 0; a < 4 && atoms[a] >= 0; ++a) {
      c.present |= 1 << a;
      c.molecule[a] = molecule_[atoms[a]];
      for (int k = 0; k < 3; ++k)
        c.x[k][a] = pairs::fixed_point(positions_[3 * atoms[a] + k], box_[k]);
    }
    return c;
  }

  Extent extent(int64_t cluster) const {
    const Cluster& c = clusters_[cluster];
    Extent e;
    for (int k = 0; k < 3; ++k) {
      int32_t low = 0, high = 0;
      for (int a = 1; a < 4 && c.present >> a & 1; ++a) {
        const auto x = static_cast<int32_t>(c.x[k][a] - c.x[k][0]);
        low = std::min(low, x), high = std::max(high, x);
      }
      e.centre[k] = c.x[k][0] + low / 2 + high / 2;
      // In floating point, since the difference of the ends may be more than a half turn.
      e.half[k] = 0.5f * unit_[k] * (static_cast<float>(high) - static_cast<float>(low));
    }
    return e;
  }

  // Sorts the clusters into cells; in each they are in rising order.
  void fill_cells() {
    // Cells much smaller than the radius would be empty, much larger ones too coarse.
    const double most = 4 * std::cbrt(static_cast<double>(clusters_.size())) + 1;
    for (int k = 0; k < 3; ++k)
      cells_[k] = std::max<int64_t>(1, std::min(2 * box_[k] / radius_, most));
    begin_.assign(cells_[0] * cells_[1] * cells_[2] + 1, 0);
    std::vector<int64_t> cell_of(clusters_.size());
    for (size_t c = 0; c < clusters_.size(); ++c) {
      const Extent e = extent(c);
      for (int k = 0; k < 3; ++k) {
        largest_[k] = std::max(largest_[k], e.half[k]);
        cell_of[c] = cell_of[c] * cells_[k] + cell_along(e.centre[k], k);
      }
      ++begin_[cell_of[c] + 1];
    }
    for (size_t i = 1; i < begin_.size(); ++i) begin_[i] += begin_[i - 1];
    std::vector<int32_t> next(begin_.begin(), begin_.end() - 1);
    extents_ = Extents(clusters_.size());
    for (size_t c = 0; c < clusters_.size(); ++c)
      extents_.set(next[cell_of[c]]++, extent(c), static_cast<int32_t>(c));
  }

  int64_t cell_along(uint32_t centre, int k) const {
    return static_cast<int64_t>(centre) * cells_[k] >> 32;
  }

  // Cells in a row along one edge, and the least distance of what they hold from a cluster.
  struct Slab {
    int64_t begin, end;
    float gap2;
  };

  // The slabs along edge k that hold something near; those that touch made one if `joined`.
  void slabs(const Extent& e, int k, bool joined, std::vector<Slab>& out) const {
    const double edge = box_[k] / cells_[k];
    const double extra = e.half[k] + largest_[k];
    const int64_t here = cell_along(e.centre[k], k);
    out.clear();
    for (int64_t cell = 0; cell < cells_[k]; ++cell) {
      const int64_t away = std::abs(cell - here), steps = std::min(away, cells_[k] - away);
      const double gap = std::max((steps - 1) * edge - extra, 0.0);
      const auto gap2 = static_cast<float>(gap * gap);
      if (gap2 > limit2()) continue;
      if (joined && !out.empty() && out.back().end == cell) {
        ++out.back().end;
      } else {
        out.push_back({cell, cell + 1, gap2});
      }
    }
  }

  float limit2() const { return static_cast<float>(radius_ * radius_ * kMargin); }

  void search(int64_t task) {
    std::vector<Slab> x, y, z;
    const int64_t end = std::min<int64_t>((task + 1) * kClustersPerTask, clusters_.size());
    for (int64_t i = task * kClustersPerTask; i < end; ++i) {
      const Extent e = extent(i);
      slabs(e, 0, false, x), slabs(e, 1, false, y), slabs(e, 2, true, z);
      for (const Slab& a : x)
        for (const Slab& b : y) {
          if (a.gap2 + b.gap2 > limit2()) continue;
          const int64_t row = (a.begin * cells_[1] + b.begin) * cells_[2];
          for (const Slab& c : z)
            search_row(static_cast<int32_t>(i), e, begin_[row + c.begin], begin_[row + c.end],
                       parts_[task]);
        }
    }
  }

  void search_row(int32_t i, const Extent& e, int32_t begin, int32_t end,
                  std::vector<Tile>& out) const {
    for (; begin < end; begin += kLanes) {
      int32_t found = near(i, e, begin) & ((1 << std::min(end - begin, kLanes)) - 1);
      for (int32_t at = begin; found; found >>= 1, ++at) {
        if (!(found & 1)) continue;
        const int32_t j = extents_.cluster[at];
        if (const int32_t mask = pairs_near(i, j)) out.push_back({i, j, mask});
      }
    }
  }

  // Bit k where the extent at + k is near, and j >= i: each pair of clusters once.
  int32_t near(int32_t i, const Extent& e, int32_t at) const {
    const auto lanes_of = [at](const auto& values) {
      Bits x;
      std::memcpy(&x, values.data() + at, sizeof(x));
      return x;
    };
    Lanes square{};
    for (int k = 0; k < 3; ++k) {
      const Lanes d = pairs::nearest_image(e.centre[k] - Bits{}, lanes_of(extents_.centre[k]),
                                           unit_[k]);
      const auto half = pairs::bit_cast<Lanes>(lanes_of(extents_.half[k]));
      const Lanes gap = (d < 0 ? -d : d) - e.half[k] - half;
      square += gap > 0 ? gap * gap : Lanes{};
    }
    const auto j = pairs::bit_cast<Ints>(lanes_of(extents_.cluster));
    return pairs::to_mask((square <= limit2()) & (j >= i));
  }

  // The pairs of a tile that count, or 0 if none of them is within the radius.
  int32_t pairs_near(int32_t i, int32_t j) const {
    const Cluster &a = clusters_[i], &b = clusters_[j];
    // In a tile of a cluster with itself, atom a < b.
    const int32_t once = i == j ? 0x08ce : 0xffff;
    int32_t near = 0, other = 0;
    for (int part = 0; part < pairs::kParts; ++part) {
      const auto row = [part](const auto& four) {
        return pairs::bit_cast<Bits>(pairs::by_rows(four, part));
      };
      const auto column = [](const auto& four) {
        return pairs::bit_cast<Bits>(pairs::by_columns(four));
      };
      Lanes r2{};
      for (int k = 0; k < 3; ++k) {
        const Lanes d = pairs::nearest_image(row(a.x[k]), column(b.x[k]), unit_[k]);
        r2 += d * d;
      }
      near |= pairs::to_mask(r2 < limit2()) << part * kLanes;
      other |= pairs::to_mask(row(a.molecule) != column(b.molecule)) << part * kLanes;
    }
    const int32_t mask = other & pairs::spread(a.present) * b.present & once;
    return near & mask ? mask : 0;
  }

  const double radius_;
  const int64_t n_;
  const double* const positions_;
  const int32_t* const molecule_;
  double box_[3];
  float unit_[3], largest_[3] = {};
  int64_t cells_[3];
  std::vector<int32_t> order_, begin_;
  std::vector<Cluster> clusters_;
  Extents extents_{0};
  std::vector<std::vector<Tile>> parts_;
};

TileList make(ffi::ThreadPool& pool, double radius, In2 positions, In1 box, Index1 molecule) {
  if (positions.dimensions()[1] != 3 || box.dimensions()[0] != 3 ||
      molecule.dimensions()[0] != positions.dimensions()[0])
    throw std::invalid_argument("expected positions [n, 3], box [3], molecule [n]");
  TileList list(radius, positions.dimensions()[0], positions.typed_data(), box.typed_data(),
                molecule.typed_data());
  list.build(pool);
  return list;
}

ffi::Error count_tiles(ffi::ThreadPool pool, double radius, In2 positions, In1 box,
                       Index1 molecule, ffi::Result<Index0> count) {
  return pairs::guarded("tiles", [&] {
    count->typed_data()[0] =
        static_cast<int32_t>(make(pool, radius, positions, box, molecule).count());
  });
}

ffi::Error build_tiles(ffi::ThreadPool pool, double radius, int64_t room, In2 positions, In1 box,
                       Index1 molecule, ffi::Result<Index2> order, ffi::Result<Index2> tiles) {
  return pairs::guarded("tiles", [&] {
    const TileList list = make(pool, radius, positions, box, molecule);
    if (list.count() > room)
      throw std::invalid_argument("there is room for " + std::to_string(room) + " tiles; " +
                                  std::to_string(list.count()) + " are needed");
    std::fill_n(tiles->typed_data(), tiles->element_count(), 0);
    list.write(order->typed_data(), tiles->typed_data());
  });
}

}  // namespace

#define TILES_ARGS .Arg<In2>().Arg<In1>().Arg<Index1>()
XLA_FFI_DEFINE_HANDLER_SYMBOL(
    CountTiles, count_tiles,
    ffi::Ffi::Bind().Ctx<ffi::ThreadPool>().Attr<double>("radius") TILES_ARGS.Ret<Index0>());
XLA_FFI_DEFINE_HANDLER_SYMBOL(BuildTiles, build_tiles,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Attr<double>("radius")
                                  .Attr<int64_t>("room") TILES_ARGS.Ret<Index2>()
                                  .Ret<Index2>());
