//! The transforms of Winograd's minimal filtering F(4x4, 3x3), at the points 0, +-3/4, +-3/2 and infinity.

use macerator::Simd;

use super::simd::{Vector, splat};

/// Outputs of a tile along an axis.
pub(crate) const OUT: usize = 4;
/// Inputs of a tile along an axis.
pub(crate) const IN: usize = 6;
/// Numbers of a transformed tile.
pub(crate) const POINTS: usize = IN * IN;

/// The points of interpolation other than 0 and infinity are +-`A` and +-`B`.
pub(crate) const A: f32 = 0.75;
pub(crate) const B: f32 = 1.5;
pub(crate) const A2: f32 = A * A;
pub(crate) const B2: f32 = B * B;

/// `B^T d`: a row of inputs to the points.
#[inline(always)]
pub(crate) fn input_transform<S: Simd>(d: [Vector<S>; IN]) -> [Vector<S>; IN] {
    let (a, b) = (splat::<S>(A), splat::<S>(B));
    let (minus_a2, minus_b2) = (splat::<S>(-A2), splat::<S>(-B2));
    let (product, minus_sum) = (splat::<S>(A2 * B2), splat::<S>(-(A2 + B2)));
    let even_a = minus_b2.mul_add(d[2], d[4]);
    let odd_a = minus_b2.mul_add(d[1], d[3]) * a;
    let even_b = minus_a2.mul_add(d[2], d[4]);
    let odd_b = minus_a2.mul_add(d[1], d[3]) * b;
    [
        product.mul_add(d[0], minus_sum.mul_add(d[2], d[4])),
        even_a + odd_a,
        even_a - odd_a,
        even_b + odd_b,
        even_b - odd_b,
        product.mul_add(d[1], minus_sum.mul_add(d[3], d[5])),
    ]
}

/// `A^T m`: the points to a row of outputs.
#[inline(always)]
pub(crate) fn output_transform<S: Simd>(m: [Vector<S>; IN]) -> [Vector<S>; OUT] {
    let (sum_a, difference_a) = (m[1] + m[2], m[1] - m[2]);
    let (sum_b, difference_b) = (m[3] + m[4], m[3] - m[4]);
    let scaled = |power: fn(f32) -> f32| (splat::<S>(power(A)), splat::<S>(power(B)));
    let (a1, b1) = scaled(|p| p);
    let (a2, b2) = scaled(|p| p * p);
    let (a3, b3) = scaled(|p| p * p * p);
    [
        m[0] + sum_a + sum_b,
        a1.mul_add(difference_a, b1 * difference_b),
        a2.mul_add(sum_a, b2 * sum_b),
        a3.mul_add(difference_a, b3.mul_add(difference_b, m[5])),
    ]
}

/// `A y`: a row of outputs' gradients to the points.
#[inline(always)]
pub(crate) fn gradient_transform<S: Simd>(y: [Vector<S>; OUT]) -> [Vector<S>; IN] {
    let (a, b) = (splat::<S>(A), splat::<S>(B));
    let (a2, b2) = (splat::<S>(A2), splat::<S>(B2));
    let even_a = a2.mul_add(y[2], y[0]);
    let odd_a = a2.mul_add(y[3], y[1]) * a;
    let even_b = b2.mul_add(y[2], y[0]);
    let odd_b = b2.mul_add(y[3], y[1]) * b;
    [y[0], even_a + odd_a, even_a - odd_a, even_b + odd_b, even_b - odd_b, y[3]]
}

/// What the rows of `G` at 0, +-`A` and +-`B` are divided by: the products of the differences to the
/// other points.
pub(crate) const AT_ZERO: f32 = A2 * B2;
pub(crate) const AT_A: f32 = 2.0 * A2 * (A2 - B2);
pub(crate) const AT_B: f32 = 2.0 * B2 * (B2 - A2);

/// `G g`: a row of weights to the points.
#[inline(always)]
pub(crate) fn weight_transform<S: Simd>(g: [Vector<S>; 3]) -> [Vector<S>; IN] {
    let at = |point: f32, divisor: f32| {
        let even =
            splat::<S>(point * point / divisor).mul_add(g[2], splat::<S>(1.0 / divisor) * g[0]);
        let odd = splat::<S>(point / divisor) * g[1];
        (even + odd, even - odd)
    };
    let (plus_a, minus_a) = at(A, AT_A);
    let (plus_b, minus_b) = at(B, AT_B);
    [splat::<S>(1.0 / AT_ZERO) * g[0], plus_a, minus_a, plus_b, minus_b, g[2]]
}

/// `G^T m`: the points to a row of the weights' gradient.
#[inline(always)]
pub(crate) fn weight_gradient_transform<S: Simd>(m: [Vector<S>; IN]) -> [Vector<S>; 3] {
    let (sum_a, difference_a) = (m[1] + m[2], m[1] - m[2]);
    let (sum_b, difference_b) = (m[3] + m[4], m[3] - m[4]);
    let weigh = |a: f32, in_a, b: f32, in_b| splat::<S>(a).mul_add(in_a, splat::<S>(b) * in_b);
    [
        splat::<S>(1.0 / AT_ZERO).mul_add(m[0], weigh(1.0 / AT_A, sum_a, 1.0 / AT_B, sum_b)),
        weigh(A / AT_A, difference_a, B / AT_B, difference_b),
        weigh(A2 / AT_A, sum_a, B2 / AT_B, sum_b) + m[5],
    ]
}

/// Applies a transform to the columns of a square of vectors, then to its rows. The first expression
/// reads the vector at `(y, x)`, the second writes what became of it. (A macro, since closures are not
/// sure to be compiled for the instruction set of the function that calls them.)
macro_rules! twice {
    ($transform:expr, $from:expr, $to:expr, |$y:ident, $x:ident| $read:expr,
     |$row:ident, $column:ident, $number:ident| $write:expr $(,)?) => {{
        let mut columns = [[$crate::simd::zero::<S>(); $from]; $to];
        for $x in 0..$from {
            let mut column = [$crate::simd::zero::<S>(); $from];
            for $y in 0..$from {
                column[$y] = $read;
            }
            let transformed = $transform(column);
            for y in 0..$to {
                columns[y][$x] = transformed[y];
            }
        }
        for $row in 0..$to {
            let transformed = $transform(columns[$row]);
            for $column in 0..$to {
                let $number = transformed[$column];
                $write;
            }
        }
    }};
}

pub(crate) use twice;
