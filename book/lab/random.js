/** Named streams of random numbers, as in statesdiff/rng.py: the same name and seed give the same numbers. */

/** A generator: sfc32 (Doty-Humphrey), seeded by a hash of a text. */
export class Random {
  /** @param {string} text what the numbers depend on */
  constructor(text) {
    const word = seedWords(text);
    [this.a, this.b, this.c, this.d] = [word(), word(), word(), 1];
    this.spare = null;
    for (let i = 0; i < 16; i++) this.bits();
  }

  /** 32 random bits, an integer in [0, 2^32). */
  bits() {
    const t = (((this.a + this.b) | 0) + this.d) | 0;
    this.d = (this.d + 1) | 0;
    this.a = this.b ^ (this.b >>> 9);
    this.b = (this.c + (this.c << 3)) | 0;
    this.c = (this.c << 21) | (this.c >>> 11);
    this.c = (this.c + t) | 0;
    return t >>> 0;
  }

  /** A number in [0, 1). */
  uniform() {
    return this.bits() / 4294967296;
  }

  /** A whole number 0..n-1. */
  integer(n) {
    return Math.floor(this.uniform() * n);
  }

  /** A standard normal number (Box and Muller 1958; they come in pairs). */
  normal() {
    if (this.spare !== null) {
      const kept = this.spare;
      this.spare = null;
      return kept;
    }
    const r = Math.sqrt(-2 * Math.log(1 - this.uniform())), angle = 2 * Math.PI * this.uniform();
    this.spare = r * Math.sin(angle);
    return r * Math.cos(angle);
  }

  /** n standard normal numbers. @returns {Float32Array} (n,) */
  randn(n) {
    const out = new Float32Array(n);
    for (let i = 0; i < n; i++) out[i] = this.normal();
    return out;
  }

  /** 0..n-1 in random order (Fisher and Yates). @returns {Uint32Array} (n,) */
  permutation(n) {
    const order = Uint32Array.from({ length: n }, (_, i) => i);
    for (let i = n - 1; i > 0; i--) {
      const j = this.integer(i + 1);
      [order[i], order[j]] = [order[j], order[i]];
    }
    return order;
  }
}

/** Words of 32 bits from a text (MurmurHash3's mixing). */
function seedWords(text) {
  let h = 1779033703 ^ text.length;
  for (let i = 0; i < text.length; i++) {
    h = Math.imul(h ^ text.charCodeAt(i), 3432918353);
    h = (h << 13) | (h >>> 19);
  }
  return () => {
    h = Math.imul(h ^ (h >>> 16), 2246822507);
    h = Math.imul(h ^ (h >>> 13), 3266489909);
    h ^= h >>> 16;
    return h | 0;
  };
}

/** The stream of that name. @param {string} name  @param {number} seed  @returns {Random} */
export function stream(name, seed = 0) {
  return new Random(`${name}/${seed}`);
}
