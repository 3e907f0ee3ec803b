/** The wasm kernel: loading it, and handing out its memory. KERNELS is put here by the extension: base64 by name. */

/* global KERNELS */

/** Whether the browser can multiply and add in one step: a function of three vectors through relaxed_madd. */
export function hasRelaxedSimd() {
  const code = [0, 97, 115, 109, 1, 0, 0, 0, 1, 8, 1, 96, 3, 123, 123, 123, 1, 123, 3, 2, 1, 0,
    10, 13, 1, 11, 0, 32, 0, 32, 1, 32, 2, 253, 133, 2, 11];
  return WebAssembly.validate(Uint8Array.from(code));
}

/** @param {string} text base64 @returns {Uint8Array} */
export function bytesOf(text) {
  return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
}

/** What was compiled, with its memory: a bump allocator with marks to go back to. */
export class Kernel {
  /** @param {object} exports of the wasm  @param {boolean} relaxed which build it is */
  constructor(exports, relaxed) {
    this.f = exports;
    this.relaxed = relaxed;
    this.top = Math.ceil(exports.__heap_base.value / 64) * 64;
    this.view = new Float32Array(exports.memory.buffer);
  }

  /** Room for n numbers, 64-byte aligned, zeroed; returns the address in bytes. */
  alloc(n) {
    const at = this.top;
    this.top += Math.ceil(n / 16) * 64;
    const missing = this.top + 64 - this.f.memory.buffer.byteLength;
    if (missing > 0) {
      this.f.memory.grow(Math.ceil(missing / 65536) + 16);
      this.view = new Float32Array(this.f.memory.buffer);
    }
    this.view.fill(0, at / 4, this.top / 4);
    return at;
  }

  /** A view of n numbers at an address; good until the next `alloc`. */
  at(address, n) {
    return this.view.subarray(address / 4, address / 4 + n);
  }

  /** Room for the values, and the values in it; returns the address. */
  put(values) {
    const at = this.alloc(values.length);
    this.view.set(values, at / 4);
    return at;
  }

  /** Call f, and give back what it allocated. */
  scratch(f) {
    const mark = this.top;
    try {
      return f();
    } finally {
      this.top = mark;
    }
  }
}

let loaded = null;

/**
 * Compile the kernel, once; the one with relaxed vectors if the browser has them, unless `relaxed` says which.
 * @param {{relaxed?: boolean}} options
 */
export async function loadKernel({ relaxed } = {}) {
  if (loaded && (relaxed === undefined || relaxed === loaded.relaxed)) return loaded;
  const wanted = relaxed ?? hasRelaxedSimd();
  const { instance } = await WebAssembly.instantiate(bytesOf(KERNELS[wanted ? "relaxed" : "simd"]));
  loaded = new Kernel(instance.exports, wanted);
  return loaded;
}

/** The kernel that `loadKernel` loaded. */
export function kernel() {
  if (!loaded) throw new Error("the kernel is not loaded yet: await loadKernel() first");
  return loaded;
}
