//! Distances between the outlines of two masks.
//!
//! Definitions as in Metrics Reloaded (Maier-Hein, Reinke et al. 2024, Nature Methods 21:195-212), with pixels of side 1.

/// Distances from each pixel of one outline to the nearest of the other, in pixels; both empty where both masks are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Distances {
    /// From the prediction to the truth.
    pub forth: Vec<f64>,
    /// From the truth to the prediction.
    pub back: Vec<f64>,
}

/// Distances between the outlines of two masks of `width` by `height` pixels, row by row.
///
/// The outline of a mask is every pixel of it that has one of its four neighbours outside the mask;
/// what lies beyond the edge of the image is outside. Distances are exact, from pixel centre to pixel
/// centre. `None` where one mask alone is empty, as nothing can be measured. Linear in the pixels of the rectangle
/// around both masks.
///
/// # Panics
///
/// If a mask has not `width * height` pixels.
pub(super) fn distances(
    prediction: &[bool],
    truth: &[bool],
    width: usize,
    height: usize,
) -> Option<Distances> {
    let (prediction, truth) = (outline(prediction, width, height), outline(truth, width, height));
    match (prediction.is_empty(), truth.is_empty()) {
        (true, true) => Some(Distances::default()),
        (false, false) => Some(Distances {
            forth: nearest(&prediction, &truth),
            back: nearest(&truth, &prediction),
        }),
        _ => None,
    }
}

/// A pixel's column and row.
type Point = (usize, usize);

/// Pixels of the mask with one of their four neighbours outside it, row by row.
fn outline(mask: &[bool], width: usize, height: usize) -> Vec<Point> {
    assert_eq!(mask.len(), width * height, "a mask of {width} x {height} pixels");
    let mut points = Vec::new();
    for y in 0..height {
        let row = &mask[y * width..(y + 1) * width];
        for x in 0..width {
            if !row[x] {
                continue;
            }
            let enclosed = x > 0
                && x + 1 < width
                && y > 0
                && y + 1 < height
                && row[x - 1]
                && row[x + 1]
                && mask[(y - 1) * width + x]
                && mask[(y + 1) * width + x];
            if !enclosed {
                points.push((x, y));
            }
        }
    }
    points
}

/// Distance from each of `from` to the nearest of `to`, neither empty.
fn nearest(from: &[Point], to: &[Point]) -> Vec<f64> {
    let (mut left, mut top, mut right, mut bottom) = (usize::MAX, usize::MAX, 0, 0);
    for &(x, y) in from.iter().chain(to) {
        (left, right) = (left.min(x), right.max(x));
        (top, bottom) = (top.min(y), bottom.max(y));
    }
    let (width, height) = (right - left + 1, bottom - top + 1);
    let mut sites = vec![false; width * height];
    for &(x, y) in to {
        sites[(y - top) * width + x - left] = true;
    }
    let squared = squared_distances(&sites, width, height);
    from.iter().map(|&(x, y)| squared[(y - top) * width + x - left].sqrt()).collect()
}

/// Squared distance of every pixel to the nearest site, of which there is at least one: the distance
/// transform of Felzenszwalb and Huttenlocher (2012), Theory of Computing 8:415-428. The columns'
/// part is a sweep down and a sweep up. All values are whole numbers, so `f64` is exact.
fn squared_distances(sites: &[bool], width: usize, height: usize) -> Vec<f64> {
    // Distance to the nearest site of the same column.
    let mut column: Vec<f64> = Vec::with_capacity(sites.len());
    for (i, &site) in sites.iter().enumerate() {
        column.push(match site {
            true => 0.0,
            false if i < width => f64::INFINITY,
            false => column[i - width] + 1.0,
        });
    }
    for i in (0..sites.len() - width).rev() {
        column[i] = column[i].min(column[i + width] + 1.0);
    }
    let mut squared = column;
    let mut envelope = Envelope { vertices: Vec::with_capacity(width), starts: Vec::new() };
    let mut heights = vec![0.0; width];
    for row in squared.chunks_mut(width).take(height) {
        for (height, distance) in heights.iter_mut().zip(&*row) {
            *height = distance * distance;
        }
        envelope.of(&heights);
        envelope.sample(&heights, row);
    }
    squared
}

/// The lower envelope of the parabolas `(x - vertex)^2 + heights[vertex]`.
struct Envelope {
    /// Whose parabola is lowest, from left to right.
    vertices: Vec<usize>,
    /// From where on it is.
    starts: Vec<f64>,
}

impl Envelope {
    /// Of all parabolas of finite height.
    fn of(&mut self, heights: &[f64]) {
        self.vertices.clear();
        self.starts.clear();
        for (vertex, &height) in heights.iter().enumerate() {
            if height.is_infinite() {
                continue;
            }
            let start = loop {
                let (Some(&last), Some(&last_start)) = (self.vertices.last(), self.starts.last())
                else {
                    break f64::NEG_INFINITY;
                };
                let (q, p) = (vertex as f64, last as f64);
                let crossing = (height + q * q - heights[last] - p * p) / (2.0 * (q - p));
                if crossing > last_start {
                    break crossing;
                }
                self.vertices.pop();
                self.starts.pop();
            };
            self.vertices.push(vertex);
            self.starts.push(start);
        }
    }

    /// Its value at 0, 1, 2, ..
    fn sample(&self, heights: &[f64], values: &mut [f64]) {
        let mut at = 0;
        for (x, value) in values.iter_mut().enumerate() {
            while self.starts.get(at + 1).is_some_and(|&start| start < x as f64) {
                at += 1;
            }
            let vertex = self.vertices[at];
            let across = x as f64 - vertex as f64;
            *value = across * across + heights[vertex];
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{assd, hd95, quantile};
    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq)]
    struct SurfaceDistances {
        hd95: f64,
        assd: f64,
    }

    fn surface_distances(
        prediction: &[bool],
        truth: &[bool],
        width: usize,
        height: usize,
    ) -> Option<SurfaceDistances> {
        let found = distances(prediction, truth, width, height)?;
        Some(SurfaceDistances { hd95: hd95::of(&found), assd: assd::of(&found) })
    }

    fn mask(rows: &[&str]) -> (Vec<bool>, usize, usize) {
        let pixels = rows.iter().flat_map(|row| row.bytes()).map(|b| b == b'#').collect();
        (pixels, rows[0].len(), rows.len())
    }

    fn between(prediction: &[&str], truth: &[&str]) -> Option<SurfaceDistances> {
        let (prediction, width, height) = mask(prediction);
        surface_distances(&prediction, &mask(truth).0, width, height)
    }

    /// By measuring every pair of outline pixels.
    fn brute_force(
        a: &[bool],
        b: &[bool],
        width: usize,
        height: usize,
    ) -> Option<SurfaceDistances> {
        let in_mask = |m: &[bool], x: isize, y: isize| {
            (0..width as isize).contains(&x)
                && (0..height as isize).contains(&y)
                && m[y as usize * width + x as usize]
        };
        let edge = |m: &[bool]| {
            let mut points = Vec::new();
            for y in 0..height as isize {
                for x in 0..width as isize {
                    let neighbours = [(x - 1, y), (x + 1, y), (x, y - 1), (x, y + 1)];
                    if in_mask(m, x, y) && neighbours.iter().any(|&(x, y)| !in_mask(m, x, y)) {
                        points.push((x as f64, y as f64));
                    }
                }
            }
            points
        };
        let directed = |from: &[(f64, f64)], to: &[(f64, f64)]| {
            let nearest = |p: &(f64, f64)| {
                to.iter().map(|q| (p.0 - q.0).hypot(p.1 - q.1)).fold(f64::INFINITY, f64::min)
            };
            let mut distances: Vec<f64> = from.iter().map(nearest).collect();
            distances.sort_by(f64::total_cmp);
            distances
        };
        let (a, b) = (edge(a), edge(b));
        if a.is_empty() != b.is_empty() {
            return None;
        }
        if a.is_empty() {
            return Some(SurfaceDistances { hd95: 0.0, assd: 0.0 });
        }
        let (forth, back) = (directed(&a, &b), directed(&b, &a));
        let mean = forth.iter().chain(&back).sum::<f64>() / (forth.len() + back.len()) as f64;
        Some(SurfaceDistances {
            hd95: quantile(&forth, 0.95).max(quantile(&back, 0.95)),
            assd: mean,
        })
    }

    #[test]
    fn two_single_pixels_are_their_distance_apart() {
        let distances =
            between(&["#....", ".....", ".....", "....."], &[".....", ".....", ".....", "....#"]);
        assert_eq!(distances, Some(SurfaceDistances { hd95: 5.0, assd: 5.0 }));
    }

    #[test]
    fn equal_masks_are_nothing_apart() {
        let rows = ["####", "####", "###.", "...."];
        assert_eq!(between(&rows, &rows), Some(SurfaceDistances { hd95: 0.0, assd: 0.0 }));
    }

    #[test]
    fn two_empty_masks_are_nothing_apart_and_one_alone_is_undefined() {
        assert_eq!(between(&["..."], &["..."]), Some(SurfaceDistances { hd95: 0.0, assd: 0.0 }));
        assert_eq!(between(&["..."], &[".#."]), None);
        assert_eq!(between(&[".#."], &["..."]), None);
    }

    #[test]
    fn a_hole_has_an_outline_and_the_image_edge_is_one() {
        let (full, width, height) = mask(&["###", "###", "###"]);
        assert_eq!(outline(&full, width, height).len(), 8);
        let (ring, width, height) = mask(&[".....", ".###.", ".#.#.", ".###.", "....."]);
        assert_eq!(outline(&ring, width, height).len(), 8);
    }

    #[test]
    fn distances_of_both_directions_are_averaged_together() {
        // Forth: 0. Back: 0, 1, 2, 3; their 95th percentile is 2.85.
        let distances = between(&["#..."], &["####"]).unwrap();
        assert!((distances.assd - 6.0 / 5.0).abs() < 1e-15, "{distances:?}");
        assert!((distances.hd95 - 2.85).abs() < 1e-12, "{distances:?}");
    }

    #[test]
    #[should_panic(expected = "a mask of 3 x 2 pixels")]
    fn a_mask_of_another_size_is_refused() {
        surface_distances(&[true; 5], &[true; 6], 3, 2);
    }

    fn pair_of_masks() -> impl Strategy<Value = (usize, usize, Vec<bool>, Vec<bool>)> {
        (1usize..12, 1usize..9, 0.0f64..1.0, 0.0f64..1.0).prop_flat_map(|(w, h, p, q)| {
            let pixels = |p| prop::collection::vec(prop::bool::weighted(p), w * h);
            (Just(w), Just(h), pixels(p), pixels(q))
        })
    }

    proptest! {
        #[test]
        fn distances_agree_with_measuring_every_pair((width, height, a, b) in pair_of_masks()) {
            let ours = surface_distances(&a, &b, width, height);
            let brute = brute_force(&a, &b, width, height);
            prop_assert_eq!(ours.is_some(), brute.is_some());
            if let (Some(ours), Some(brute)) = (ours, brute) {
                prop_assert!((ours.hd95 - brute.hd95).abs() < 1e-9, "{:?} {:?}", ours, brute);
                prop_assert!((ours.assd - brute.assd).abs() < 1e-9, "{:?} {:?}", ours, brute);
            }
        }

        #[test]
        fn distances_are_symmetric((width, height, a, b) in pair_of_masks()) {
            let forth = surface_distances(&a, &b, width, height);
            let back = surface_distances(&b, &a, width, height);
            prop_assert_eq!(forth.map(|d| d.hd95), back.map(|d| d.hd95));
            let close = |a: f64, b: f64| (a - b).abs() < 1e-12;
            prop_assert!(forth.zip(back).is_none_or(|(f, b)| close(f.assd, b.assd)));
        }

        #[test]
        fn moving_both_masks_changes_nothing((width, height, a, b) in pair_of_masks()) {
            let padded = |m: &[bool]| {
                let mut padded = vec![false; (width + 5) * (height + 3)];
                for y in 0..height {
                    let start = (y + 2) * (width + 5) + 4;
                    padded[start..start + width].copy_from_slice(&m[y * width..(y + 1) * width]);
                }
                padded
            };
            prop_assert_eq!(
                surface_distances(&a, &b, width, height),
                surface_distances(&padded(&a), &padded(&b), width + 5, height + 3)
            );
        }
    }
}
