//! Random numbers and smooth random fields for drawing.

/// SplitMix64 (Steele et al. 2014, OOPSLA): quick, and good enough for pictures.
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    /// A stream for a data set's seed, an image and a purpose.
    pub(super) fn new(seed: u32, index: u32, purpose: u32) -> Self {
        let mut random = Self((u64::from(seed) << 32) ^ u64::from(index));
        random.0 = random.bits() ^ (u64::from(purpose) << 32);
        random.0 = random.bits();
        random
    }

    /// 64 random bits.
    pub(super) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from 0 to below 1.
    pub(super) fn unit(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1u64 << 24) as f32
    }

    /// A number from `low` to below `high`.
    pub(super) fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// A whole number below `bound`.
    pub(super) fn below(&mut self, bound: u32) -> u32 {
        (((self.bits() >> 32) * u64::from(bound)) >> 32) as u32
    }

    /// True once in so many times.
    pub(super) fn chance(&mut self, probability: f32) -> bool {
        self.unit() < probability
    }

    /// A number of mean 0 and variance 1, nearly normal: the sum of four uniform ones.
    pub(super) fn gauss(&mut self) -> f32 {
        let bits = self.bits();
        let sum =
            (bits & 0xffff) + ((bits >> 16) & 0xffff) + ((bits >> 32) & 0xffff) + (bits >> 48);
        // Four uniform numbers below 65536 have mean 131070 and standard deviation 37837.2.
        (sum as f32 - 131_070.0) / 37_837.2
    }
}

/// A random field: normal values on a lattice, interpolated smoothly between.
pub(super) struct Field {
    columns: usize,
    rows: usize,
    values: Vec<f32>,
    per_x: f32,
    per_y: f32,
}

impl Field {
    /// A field over `width` x `height` pixels whose features are about `cell` pixels large.
    pub(super) fn new(random: &mut Random, size: (u32, u32), cell: (f32, f32)) -> Self {
        let columns = (size.0 as f32 / cell.0) as usize + 3;
        let rows = (size.1 as f32 / cell.1) as usize + 3;
        let values = (0..columns * rows).map(|_| random.gauss()).collect();
        Self { columns, rows, values, per_x: 1.0 / cell.0, per_y: 1.0 / cell.1 }
    }

    /// The value at a point, which may lie a little outside: there it is that of the edge.
    pub(super) fn at(&self, x: f32, y: f32) -> f32 {
        let (column, u) = split(x * self.per_x, self.columns);
        let (row, v) = split(y * self.per_y, self.rows);
        let above = row * self.columns + column;
        let below = above + self.columns;
        let top = self.values[above] + u * (self.values[above + 1] - self.values[above]);
        let bottom = self.values[below] + u * (self.values[below + 1] - self.values[below]);
        top + v * (bottom - top)
    }

    /// The values along a row of pixels, from column 0.
    pub(super) fn fill_row(&self, y: f32, out: &mut [f32]) {
        let (row, v) = split(y * self.per_y, self.rows);
        let above = &self.values[row * self.columns..][..self.columns];
        let below = &self.values[(row + 1) * self.columns..][..self.columns];
        let line: Vec<f32> = above.iter().zip(below).map(|(a, b)| a + v * (b - a)).collect();
        for (x, out) in out.iter_mut().enumerate() {
            let (column, u) = split(x as f32 * self.per_x, self.columns);
            *out = line[column] + u * (line[column + 1] - line[column]);
        }
    }
}

/// Lattice cell and smoothed position in it.
fn split(position: f32, count: usize) -> (usize, f32) {
    let last = count as i32 - 2;
    let position = position.clamp(0.0, last as f32);
    let cell = (position as i32).min(last);
    let t = position - cell as f32;
    let cell = cell as usize;
    (cell, t * t * (3.0 - 2.0 * t))
}

/// Speckle: intensity of `looks` averaged complex normal fields that vary over `cell` pixels.
///
/// One value for each pixel, of mean 1.
pub(super) fn speckle(
    random: &mut Random,
    size: (u32, u32),
    cell: (f32, f32),
    looks: u32,
) -> Vec<f32> {
    let (width, height) = (size.0 as usize, size.1 as usize);
    let columns = (width as f32 / cell.0) as usize + 3;
    let rows = (height as f32 / cell.1) as usize + 3;
    let places: Vec<(usize, f32)> = (0..width)
        .map(|x| {
            let position = x as f32 / cell.0;
            (position as usize, position - (position as usize) as f32)
        })
        .collect();
    let mut intensity = vec![0.0; width * height];
    for _ in 0..2 * looks {
        let lattice = smooth_lattice(random, columns, rows);
        let mut line = vec![0.0; columns];
        for (y, out) in intensity.chunks_exact_mut(width).enumerate() {
            let position = y as f32 / cell.1;
            let row = position as usize;
            let v = position - row as f32;
            let (top, bottom) =
                (&lattice[row * columns..][..columns], &lattice[(row + 1) * columns..][..columns]);
            for ((value, top), bottom) in line.iter_mut().zip(top).zip(bottom) {
                *value = top + v * (bottom - top);
            }
            for (out, &(column, u)) in out.iter_mut().zip(&places) {
                let value = line[column] + u * (line[column + 1] - line[column]);
                *out += value * value;
            }
        }
    }
    let mean =
        intensity.iter().map(|&value| f64::from(value)).sum::<f64>() / intensity.len() as f64;
    let scale = 1.0 / mean as f32;
    intensity.iter_mut().for_each(|value| *value *= scale);
    intensity
}

/// Normal values, each averaged with its neighbours by (1, 2, 1) along both axes.
fn smooth_lattice(random: &mut Random, columns: usize, rows: usize) -> Vec<f32> {
    let raw: Vec<f32> = (0..columns * rows).map(|_| random.gauss()).collect();
    let mut across = raw.clone();
    for (out, row) in across.chunks_exact_mut(columns).zip(raw.chunks_exact(columns)) {
        for (x, three) in row.windows(3).enumerate() {
            out[x + 1] = 0.25 * (three[0] + three[2]) + 0.5 * three[1];
        }
    }
    let mut down = across.clone();
    for y in 1..rows - 1 {
        for x in 0..columns {
            let at = y * columns + x;
            down[at] = 0.25 * (across[at - columns] + across[at + columns]) + 0.5 * across[at];
        }
    }
    down
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaussian_numbers_have_mean_0_and_variance_1() {
        let mut random = Random::new(1, 2, 3);
        let numbers: Vec<f32> = (0..20_000).map(|_| random.gauss()).collect();
        let mean = numbers.iter().sum::<f32>() / 20_000.0;
        let variance = numbers.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>() / 20_000.0;
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.03, "{mean} {variance}");
    }

    #[test]
    fn speckle_has_mean_1_and_falls_off_like_intensity_of_a_few_looks() {
        let speckle = speckle(&mut Random::new(0, 0, 0), (200, 200), (2.0, 2.0), 2);
        let mean = speckle.iter().sum::<f32>() / 40_000.0;
        let variance = speckle.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>() / 40_000.0;
        assert!((mean - 1.0).abs() < 0.01, "{mean}");
        // One look would have variance 1; two have a half; interpolation spreads it a little.
        assert!((0.35..0.75).contains(&variance), "{variance}");
    }

    #[test]
    fn a_row_holds_the_values_at_its_points() {
        let field = Field::new(&mut Random::new(4, 0, 0), (60, 50), (7.0, 9.0));
        let mut row = [0.0; 60];
        field.fill_row(23.0, &mut row);
        for (x, value) in row.iter().enumerate() {
            assert!((value - field.at(x as f32, 23.0)).abs() < 1e-5, "{x}");
        }
    }

    #[test]
    fn a_field_is_smooth_and_stays_defined_beyond_its_edges() {
        let field = Field::new(&mut Random::new(0, 0, 0), (100, 50), (20.0, 10.0));
        assert!((field.at(40.0, 20.0) - field.at(40.1, 20.0)).abs() < 0.05);
        assert!(field.at(-5.0, 1e4).is_finite());
    }
}
