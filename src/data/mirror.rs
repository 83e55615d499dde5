//! Where pixels outside an image are read.

/// The position inside `0..size` that `position` mirrors to.
pub(super) fn mirror(position: i32, size: usize) -> usize {
    let last = size as i32 - 1;
    if (0..=last).contains(&position) {
        return position as usize;
    }
    if last == 0 {
        return 0;
    }
    let folded = position.rem_euclid(2 * last);
    (if folded > last { 2 * last - folded } else { folded }) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_mirror_about_the_border_centres() {
        let mirrored: Vec<usize> = (-4..8).map(|i| mirror(i, 3)).collect();
        assert_eq!(mirrored, [0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 2, 1]);
        assert_eq!(mirror(-5, 1), 0);
    }
}
