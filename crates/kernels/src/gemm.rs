//! Register tiles: the inner loops of all convolutions.
//!
//! A tile holds the sums of up to [`ROWS`] rows by up to four vectors of columns in registers. What
//! a sum adds up, and in which order, depends on neither the tile nor the thread that has it.

use std::ops::Range;

use macerator::Simd;

use super::simd::{Vector, load, splat, store, zero};

/// Rows of a tile.
const ROWS: usize = 6;

/// Columns of a [`transposed_product`] that are worked on together.
const CHUNK_COLUMNS: usize = 64;

/// Vectors of columns in a tile: 6 x 2 sums, two of `b` and one of `a` fill the 16 registers of AVX2;
/// AVX-512 and NEON have 32.
#[inline(always)]
fn columns<S: Simd>() -> usize {
    if S::lanes32() == 8 { 2 } else { 4 }
}

/// A tile of sums.
type Tile<S, const R: usize, const N: usize> = [[Vector<S>; N]; R];

/// Adds `a b` to a tile: row `r` of `a` is `depth` numbers at `a[r]`, panel `n` of `b` is `depth`
/// vectors at `b + n * panel`.
///
/// # Safety
/// All of that must be readable.
#[inline(always)]
unsafe fn add_product<S: Simd, const R: usize, const N: usize>(
    tile: &mut Tile<S, R, N>,
    a: [*const f32; R],
    b: *const f32,
    panel: usize,
    depth: usize,
) {
    let lanes = S::lanes32();
    for d in 0..depth {
        let mut columns = [zero::<S>(); N];
        for (n, column) in columns.iter_mut().enumerate() {
            // SAFETY: `d` is below `depth`.
            *column = unsafe { load(b.add(n * panel + d * lanes)) };
        }
        for (sums, row) in tile.iter_mut().zip(a) {
            // SAFETY: `d` is below `depth`.
            let factor = splat::<S>(unsafe { *row.add(d) });
            for (sum, column) in sums.iter_mut().zip(columns) {
                *sum = factor.mul_add(column, *sum);
            }
        }
    }
}

/// Adds `a^T b` to a tile: both have `depth` rows, `a_stride` and `b_stride` numbers apart.
///
/// # Safety
/// `R` numbers of each row of `a` and `N` vectors of each row of `b` must be readable.
#[inline(always)]
unsafe fn add_transposed_product<S: Simd, const R: usize, const N: usize>(
    tile: &mut Tile<S, R, N>,
    a: *const f32,
    a_stride: usize,
    b: *const f32,
    b_stride: usize,
    depth: usize,
) {
    let lanes = S::lanes32();
    let (mut a, mut b) = (a, b);
    for _ in 0..depth {
        let mut columns = [zero::<S>(); N];
        for (n, column) in columns.iter_mut().enumerate() {
            // SAFETY: a row of `b` that the caller promises.
            *column = unsafe { load(b.add(n * lanes)) };
        }
        for (r, sums) in tile.iter_mut().enumerate() {
            // SAFETY: a row of `a` that the caller promises.
            let factor = splat::<S>(unsafe { *a.add(r) });
            for (sum, column) in sums.iter_mut().zip(columns) {
                *sum = factor.mul_add(column, *sum);
            }
        }
        a = a.wrapping_add(a_stride);
        b = b.wrapping_add(b_stride);
    }
}

/// Operands of a [`product`].
#[derive(Clone, Copy)]
pub(crate) struct Product {
    /// `rows` rows of `depth` numbers, `a_stride` apart.
    pub a: *const f32,
    pub a_stride: usize,
    /// `panels` panels of `depth` vectors, `b_stride` numbers apart.
    pub b: *const f32,
    pub b_stride: usize,
    /// `rows` rows of `panels` vectors, `out_stride` apart.
    pub out: *mut f32,
    pub out_stride: usize,
    pub rows: usize,
    pub depth: usize,
    pub panels: usize,
    /// Whether the product is added to what `out` holds, and does not replace it.
    pub added: bool,
}

/// Writes `a b`, or adds it to what is there.
///
/// # Safety
/// The operands must be as [`Product`] says and `out` apart from the others.
#[inline(always)]
pub(crate) unsafe fn product<S: Simd>(product: Product) {
    let mut panel = 0;
    // SAFETY: each call stays inside the panels there are.
    unsafe {
        while columns::<S>() == 4 && product.panels - panel >= 4 {
            product_columns::<S, 4>(product, panel);
            panel += 4;
        }
        while product.panels - panel >= 2 {
            product_columns::<S, 2>(product, panel);
            panel += 2;
        }
        if panel < product.panels {
            product_columns::<S, 1>(product, panel);
        }
    }
}

#[inline(always)]
unsafe fn product_columns<S: Simd, const N: usize>(product: Product, panel: usize) {
    let mut row = 0;
    // SAFETY: each call stays inside the rows there are.
    unsafe {
        while product.rows - row >= ROWS {
            product_tile::<S, ROWS, N>(product, row, panel);
            row += ROWS;
        }
        while product.rows - row >= 2 {
            product_tile::<S, 2, N>(product, row, panel);
            row += 2;
        }
        if row < product.rows {
            product_tile::<S, 1, N>(product, row, panel);
        }
    }
}

#[inline(always)]
unsafe fn product_tile<S: Simd, const R: usize, const N: usize>(
    product: Product,
    row: usize,
    panel: usize,
) {
    let lanes = S::lanes32();
    // SAFETY: rows `row..row + R` and panels `panel..panel + N` exist.
    unsafe {
        let mut rows = [product.a; R];
        for (r, pointer) in rows.iter_mut().enumerate() {
            *pointer = product.a.add((row + r) * product.a_stride);
        }
        let mut tile = [[zero::<S>(); N]; R];
        if product.added {
            for (r, sums) in tile.iter_mut().enumerate() {
                let out = product.out.add((row + r) * product.out_stride + panel * lanes);
                for (n, sum) in sums.iter_mut().enumerate() {
                    *sum = load(out.add(n * lanes));
                }
            }
        }
        let b = product.b.add(panel * product.b_stride);
        add_product(&mut tile, rows, b, product.b_stride, product.depth);
        for (r, sums) in tile.iter().enumerate() {
            let out = product.out.add((row + r) * product.out_stride + panel * lanes);
            for (n, sum) in sums.iter().enumerate() {
                store(out.add(n * lanes), *sum);
            }
        }
    }
}

/// Operands of a [`transposed_product`].
#[derive(Clone, Copy)]
pub(crate) struct TransposedProduct {
    /// `depth` rows of `rows` numbers, `a_stride` apart.
    pub a: *const f32,
    pub a_stride: usize,
    /// `depth` rows of `vectors` vectors, `b_stride` apart.
    pub b: *const f32,
    pub b_stride: usize,
    /// `rows` rows of `vectors` vectors, `out_stride` apart.
    pub out: *mut f32,
    pub out_stride: usize,
    pub depth: usize,
    pub rows: usize,
    pub vectors: usize,
}

/// Adds `a^T b` to `out`.
///
/// # Safety
/// The operands must be as [`TransposedProduct`] says and `out` apart from the others.
#[inline(always)]
pub(crate) unsafe fn transposed_product<S: Simd>(product: TransposedProduct) {
    // All rows for some columns, whose part of `b` then stays in the first caches.
    let chunk = (CHUNK_COLUMNS / S::lanes32()).max(1);
    let mut vector = 0;
    while vector < product.vectors {
        let end = (vector + chunk).min(product.vectors);
        let mut row = 0;
        // SAFETY: each call stays inside the rows and vectors there are.
        unsafe {
            while product.rows - row >= ROWS {
                transposed_rows::<S, ROWS>(product, row, vector..end);
                row += ROWS;
            }
            while product.rows - row >= 2 {
                transposed_rows::<S, 2>(product, row, vector..end);
                row += 2;
            }
            if row < product.rows {
                transposed_rows::<S, 1>(product, row, vector..end);
            }
        }
        vector = end;
    }
}

#[inline(always)]
unsafe fn transposed_rows<S: Simd, const R: usize>(
    product: TransposedProduct,
    row: usize,
    vectors: Range<usize>,
) {
    let Range { start: mut vector, end } = vectors;
    // SAFETY: each call stays inside the vectors given.
    unsafe {
        while columns::<S>() == 4 && end - vector >= 4 {
            transposed_tile::<S, R, 4>(product, row, vector);
            vector += 4;
        }
        while end - vector >= 2 {
            transposed_tile::<S, R, 2>(product, row, vector);
            vector += 2;
        }
        if vector < end {
            transposed_tile::<S, R, 1>(product, row, vector);
        }
    }
}

#[inline(always)]
unsafe fn transposed_tile<S: Simd, const R: usize, const N: usize>(
    product: TransposedProduct,
    row: usize,
    vector: usize,
) {
    let lanes = S::lanes32();
    // SAFETY: rows `row..row + R` and vectors `vector..vector + N` exist.
    unsafe {
        let out = product.out.add(row * product.out_stride + vector * lanes);
        let mut tile = [[zero::<S>(); N]; R];
        for (r, sums) in tile.iter_mut().enumerate() {
            for (n, sum) in sums.iter_mut().enumerate() {
                *sum = load(out.add(r * product.out_stride + n * lanes));
            }
        }
        add_transposed_product(
            &mut tile,
            product.a.add(row),
            product.a_stride,
            product.b.add(vector * lanes),
            product.b_stride,
            product.depth,
        );
        for (r, sums) in tile.iter().enumerate() {
            for (n, sum) in sums.iter().enumerate() {
                store(out.add(r * product.out_stride + n * lanes), *sum);
            }
        }
    }
}
