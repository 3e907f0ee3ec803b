// The arithmetic of the labs, for WebAssembly with 128-bit vectors; `make_kernel.py` compiles it.
// Matrices are float32, row by row, with strides counted in floats; memory is handed out by book/lab/kernel.js.
#include <wasm_simd128.h>

typedef v128_t v4;
typedef float f32;

#ifdef __wasm_relaxed_simd__
#define MADD(a, b, c) wasm_f32x4_relaxed_madd(a, b, c)
#else
#define MADD(a, b, c) wasm_f32x4_add(wasm_f32x4_mul(a, b), c)
#endif
#define EXPORT(name) __attribute__((export_name(#name))) name
#define SPLAT wasm_f32x4_splat
#define ADD wasm_f32x4_add
#define SUB wasm_f32x4_sub
#define MUL wasm_f32x4_mul

enum { DEPTH = 128, WIDTH = 8, ROWS = 4, BLOCK = 32, MOST_BLOCKS = 4096 };

static v4 load(const f32 *p) { return wasm_v128_load(p); }
static void store(f32 *p, v4 v) { wasm_v128_store(p, v); }
static f32 sum4(v4 v) {
  v = ADD(v, wasm_i32x4_shuffle(v, v, 2, 3, 0, 1));
  return wasm_f32x4_extract_lane(ADD(v, wasm_i32x4_shuffle(v, v, 1, 0, 3, 2)), 0);
}
static f32 min4(v4 v) {
  v = wasm_f32x4_min(v, wasm_i32x4_shuffle(v, v, 2, 3, 0, 1));
  return wasm_f32x4_extract_lane(wasm_f32x4_min(v, wasm_i32x4_shuffle(v, v, 1, 0, 3, 2)), 0);
}

// --- the product of two matrices ---------------------------------------------------------------------------------

static f32 panel[DEPTH * WIDTH] __attribute__((aligned(64)));

// `depth` rows of at most 8 columns of b, put side by side and filled up with zeros: the cache likes them so
static void pack(const f32 *b, int bk, int bn, int depth, int width) {
  for (int k = 0; k < depth; k++, b += bk)
    for (int j = 0; j < WIDTH; j++) panel[k * WIDTH + j] = j < width ? b[j * bn] : 0;
}

// acc (ROWS, 8) += ROWS rows of a times the panel. Not unrolled: the browser's compiler would run out of registers.
static inline void tile(const f32 *const a[ROWS], int ak, int depth, v4 acc[ROWS * 2]) {
  const f32 *p = panel;
#pragma clang loop unroll(disable)
  for (int k = 0; k < depth; k++, p += WIDTH) {
    const v4 left = load(p), right = load(p + 4);
    for (int r = 0; r < ROWS; r++) {
      const v4 x = wasm_v128_load32_splat(a[r] + k * ak);
      acc[2 * r] = MADD(x, left, acc[2 * r]), acc[2 * r + 1] = MADD(x, right, acc[2 * r + 1]);
    }
  }
}

// one tile of c at row m, with what comes before the product (bias, or what is there) and after it
static void block(f32 *c, int cs, const f32 *a, int am, int ak, int rows, int width, int depth, const f32 *start,
                  int first, int last, const f32 *mask) {
  f32 edge[ROWS * WIDTH] __attribute__((aligned(16)));
  const int whole = rows == ROWS && width == WIDTH;
  const f32 *from[ROWS];
  v4 acc[ROWS * 2];
  for (int r = 0; r < ROWS; r++) from[r] = a + (r < rows ? r : 0) * am;
  if (first) {
    for (int r = 0; r < ROWS; r++) acc[2 * r] = load(start), acc[2 * r + 1] = load(start + 4);
  } else if (whole) {
    for (int r = 0; r < ROWS; r++) acc[2 * r] = load(c + r * cs), acc[2 * r + 1] = load(c + r * cs + 4);
  } else {
    for (int r = 0; r < rows; r++)
      for (int j = 0; j < width; j++) edge[r * WIDTH + j] = c[r * cs + j];
    for (int i = 0; i < ROWS * 2; i++) acc[i] = load(edge + 4 * i);
  }
  tile(from, ak, depth, acc);
  if (last == 1)  // ReLU
    for (int i = 0; i < ROWS * 2; i++) acc[i] = wasm_f32x4_pmax(SPLAT(0), acc[i]);
  if (!whole) {
    for (int i = 0; i < ROWS * 2; i++) store(edge + 4 * i, acc[i]);
    for (int r = 0; r < rows; r++)
      for (int j = 0; j < width; j++) c[r * cs + j] = last == 2 && !(mask[r * cs + j] > 0) ? 0 : edge[r * WIDTH + j];
    return;
  }
  if (last == 2)  // the gradient of ReLU: nothing passes where its value is zero
    for (int i = 0; i < ROWS * 2; i++)
      acc[i] = wasm_v128_and(acc[i], wasm_f32x4_gt(load(mask + (i >> 1) * cs + 4 * (i & 1)), SPLAT(0)));
  for (int r = 0; r < ROWS; r++) store(c + r * cs, acc[2 * r]), store(c + r * cs + 4, acc[2 * r + 1]);
}

// c (M, N) = a (M, K) b (K, N) + bias. Element (m, k) of a is a[m am + k ak], (k, n) of b is b[k bk + n bn].
// after: 0 nothing, 1 ReLU, 2 zero where mask, which lies like c, is not positive
void EXPORT(gemm)(f32 *c, int cs, const f32 *a, int am, int ak, const f32 *b, int bk, int bn, int M, int N, int K,
                  const f32 *bias, int after, const f32 *mask) {
  for (int k = 0; k < K; k += DEPTH) {
    const int depth = K - k < DEPTH ? K - k : DEPTH, last = k + depth == K ? after : 0;
    for (int n = 0; n < N; n += WIDTH) {
      const int width = N - n < WIDTH ? N - n : WIDTH;
      f32 start[WIDTH] __attribute__((aligned(16)));
      for (int j = 0; j < WIDTH; j++) start[j] = bias && j < width ? bias[n + j] : 0;
      pack(b + k * bk + n * bn, bk, bn, depth, width);
      for (int m = 0; m < M; m += ROWS)
        block(c + m * cs + n, cs, a + m * am + k * ak, am, ak, M - m < ROWS ? M - m : ROWS, width, depth, start,
              k == 0, last, mask + m * cs + n);
    }
  }
}

// g (N,) = the sum of the M rows of d
void EXPORT(colsum)(const f32 *d, int ds, int M, int N, f32 *g) {
  for (int j = 0; j < N; j += 4) {
    v4 s = SPLAT(0);
    for (int m = 0; m < M; m++) s = ADD(s, load(d + m * ds + j));
    for (int i = 0; i < 4 && j + i < N; i++) g[j + i] = ((f32 *)&s)[i];
  }
}

// One step of AdamW; c1 and c2 are 1 / (1 - beta^step). Moments too small to matter become zero: they are slow.
void EXPORT(adam)(f32 *w, const f32 *g, f32 *m, f32 *v, int n, f32 lr, f32 beta1, f32 beta2, f32 c1, f32 c2, f32 decay) {
  const v4 b1 = SPLAT(beta1), b2 = SPLAT(beta2), n1 = SPLAT(1 - beta1), n2 = SPLAT(1 - beta2), tiny = SPLAT(1e-30f);
  const v4 rate = SPLAT(lr * c1), keep = SPLAT(1 - lr * decay), C2 = SPLAT(c2), eps = SPLAT(1e-8f);
  for (int i = 0; i < n; i += 4) {
    const v4 q = load(g + i);
    v4 first = ADD(MUL(b1, load(m + i)), MUL(n1, q)), second = ADD(MUL(b2, load(v + i)), MUL(n2, MUL(q, q)));
    first = wasm_v128_and(first, wasm_f32x4_gt(wasm_f32x4_abs(first), tiny));
    second = wasm_v128_and(second, wasm_f32x4_gt(second, tiny));
    store(m + i, first), store(v + i, second);
    const v4 step = wasm_f32x4_div(MUL(rate, first), ADD(wasm_f32x4_sqrt(MUL(second, C2)), eps));
    store(w + i, SUB(MUL(keep, load(w + i)), step));
  }
}

// --- what goes into the network ----------------------------------------------------------------------------------

typedef struct { v4 sin, cos; } sincos;

// both to within 1e-7 for |x| up to some thousands: the rest modulo pi/2, then the polynomials of Cephes
static sincos sincos4(v4 x) {
  const v4 q = wasm_f32x4_nearest(MUL(x, SPLAT(0.636619772367581f)));
  v4 r = SUB(x, MUL(q, SPLAT(1.5703125f)));
  r = SUB(r, MUL(q, SPLAT(4.837512969970703125e-4f)));
  r = SUB(r, MUL(q, SPLAT(7.54978995489188216e-8f)));
  const v4 z = MUL(r, r), quadrant = wasm_i32x4_trunc_sat_f32x4(q);
  v4 s = ADD(MUL(SPLAT(-1.9515295891e-4f), z), SPLAT(8.3321608736e-3f));
  s = ADD(MUL(MUL(ADD(MUL(s, z), SPLAT(-1.6666654611e-1f)), z), r), r);
  v4 c = ADD(MUL(SPLAT(2.443315711809948e-5f), z), SPLAT(-1.388731625493765e-3f));
  c = MUL(MUL(ADD(MUL(c, z), SPLAT(4.166664568298827e-2f)), z), z);
  c = ADD(SUB(c, MUL(SPLAT(0.5f), z)), SPLAT(1));
  const v4 odd = wasm_i32x4_ne(wasm_v128_and(quadrant, wasm_i32x4_splat(1)), wasm_i32x4_splat(0));
  const v4 flip_s = wasm_i32x4_shl(wasm_v128_and(quadrant, wasm_i32x4_splat(2)), 30);
  const v4 flip_c = wasm_i32x4_shl(wasm_v128_and(wasm_i32x4_add(quadrant, wasm_i32x4_splat(1)), wasm_i32x4_splat(2)), 30);
  return (sincos){wasm_v128_xor(wasm_v128_bitselect(c, s, odd), flip_s),
                  wasm_v128_xor(wasm_v128_bitselect(s, c, odd), flip_c)};
}

// sin(f v), then cos(f v), of the nv numbers in v; whatever is written too far is overwritten by what follows
static f32 *waves(const f32 *v, int nv, const f32 *frequencies, int nf, f32 *out) {
  for (int i = 0; i < nv; i++)
    for (int k = 0; k < nf; k += 4) {
      const sincos w = sincos4(MUL(SPLAT(v[i]), load(frequencies + k)));
      for (int j = 0; j < 4 && k + j < nf; j++) {
        out[i * nf + k + j] = ((f32 *)&w.sin)[j];
        out[(nv + i) * nf + k + j] = ((f32 *)&w.cos)[j];
      }
    }
  return out + 2 * nv * nf;
}

// Rows (n, stride): x (2), t_bar, the waves of both coordinates, those of t_bar, and zeros; x (n, 2), t_bar (n,)
void EXPORT(features)(const f32 *x, const f32 *t_bar, int n, const f32 *fx, int nx, const f32 *ft, int nt, f32 *out,
                      int stride) {
  for (int i = 0; i < n; i++, out += stride) {
    out[0] = x[2 * i], out[1] = x[2 * i + 1], out[2] = t_bar[i];
    f32 *rest = waves(t_bar + i, 1, ft, nt, waves(x + 2 * i, 2, fx, nx, out + 3));
    while (rest < out + stride) *rest++ = 0;
  }
}

// g (n, 2): the gradient with respect to x, from that with respect to the features, d; both (n, stride)
void EXPORT(features_backward)(const f32 *a, const f32 *d, int stride, int n, const f32 *fx, int nx, f32 *g) {
  for (int i = 0; i < n; i++, a += stride, d += stride)
    for (int c = 0; c < 2; c++) {
      f32 total = d[c];
      for (int k = 0, s = 3 + c * nx, o = 3 + (2 + c) * nx; k < nx; k++)
        total += fx[k] * (a[o + k] * d[s + k] - a[s + k] * d[o + k]);
      g[2 * i + c] = total;
    }
}

// --- a finite set of points: blocks of 32 neighbours, each with its box -------------------------------------------

static f32 bound[MOST_BLOCKS];

// e^x for x <= 0, to within 2e-7 of itself
static v4 exp4(v4 x) {
  const v4 y = MUL(wasm_f32x4_max(x, SPLAT(-80)), SPLAT(1.44269504088896341f)), n = wasm_f32x4_nearest(y), f = SUB(y, n);
  v4 p = ADD(MUL(SPLAT(1.5403530e-4f), f), SPLAT(1.3333558e-3f));
  p = ADD(MUL(p, f), SPLAT(9.6181291e-3f)), p = ADD(MUL(p, f), SPLAT(5.5504109e-2f));
  p = ADD(MUL(p, f), SPLAT(2.4022651e-1f)), p = ADD(MUL(p, f), SPLAT(6.9314718e-1f)), p = ADD(MUL(p, f), SPLAT(1));
  return MUL(p, wasm_i32x4_shl(wasm_i32x4_add(wasm_i32x4_trunc_sat_f32x4(n), wasm_i32x4_splat(127)), 23));
}

static v4 square4(v4 x, v4 y, const f32 *xs, const f32 *ys) {
  const v4 dx = SUB(x, load(xs)), dy = SUB(y, load(ys));
  return ADD(MUL(dx, dx), MUL(dy, dy));
}

// the squared distance from (x, y) to the nearest point of the blocks from..to-1; leaves those to the boxes in `bound`
static f32 nearest2(f32 x, f32 y, const f32 *xs, const f32 *ys, const f32 *box, int from, int to) {
  int first = from;
  for (int b = from; b < to; b++) {
    const f32 *e = box + 4 * b;  // low x, low y, high x, high y
    f32 dx = e[0] - x > x - e[2] ? e[0] - x : x - e[2], dy = e[1] - y > y - e[3] ? e[1] - y : y - e[3];
    dx = dx > 0 ? dx : 0, dy = dy > 0 ? dy : 0;
    bound[b] = dx * dx + dy * dy;
    if (bound[b] < bound[first]) first = b;
  }
  const v4 X = SPLAT(x), Y = SPLAT(y);
  f32 best = 1e30f;
  for (int step = -1, b = first; step < to - from; step++, b = from + step) {
    if (b >= to || bound[b] >= best) continue;
    v4 least = SPLAT(1e30f);
    for (int j = b * BLOCK; j < (b + 1) * BLOCK; j += 4) least = wasm_f32x4_min(least, square4(X, Y, xs + j, ys + j));
    const f32 found = min4(least);
    best = found < best ? found : best;
  }
  return best;
}

// out (n,): the squared distance of every query (n, 2) to its nearest point
void EXPORT(nearest)(const f32 *q, int n, const f32 *xs, const f32 *ys, const f32 *box, int from, int to, f32 *out) {
  for (int i = 0; i < n; i++) out[i] = nearest2(q[2 * i], q[2 * i + 1], xs, ys, box, from, to);
}

// For every query (n, 2) with variance v (n,), and weights exp(-|q - x_j|^2 / 2 v): out (n, 4) holds the smallest
// squared distance d, the sum of the weights in units of exp(-d / 2 v), and their mean point. Blocks whose every
// weight is below e^-25 of the greatest are left out.
void EXPORT(ideal)(const f32 *q, const f32 *v, int n, const f32 *xs, const f32 *ys, const f32 *box, int from, int to,
                   f32 *out) {
  for (int i = 0; i < n; i++) {
    const f32 x = q[2 * i], y = q[2 * i + 1], best = nearest2(x, y, xs, ys, box, from, to), far = best + 50 * v[i];
    const v4 X = SPLAT(x), Y = SPLAT(y), c = SPLAT(-0.5f / v[i]), top = SPLAT(best);
    v4 s = SPLAT(0), sx = SPLAT(0), sy = SPLAT(0);
    for (int b = from; b < to; b++) {
      if (bound[b] > far) continue;
      for (int j = b * BLOCK; j < (b + 1) * BLOCK; j += 4) {
        const v4 w = exp4(MUL(c, SUB(square4(X, Y, xs + j, ys + j), top)));
        s = ADD(s, w), sx = MADD(w, load(xs + j), sx), sy = MADD(w, load(ys + j), sy);
      }
    }
    const f32 total = sum4(s);
    out[4 * i] = best, out[4 * i + 1] = total, out[4 * i + 2] = sum4(sx) / total, out[4 * i + 3] = sum4(sy) / total;
  }
}
