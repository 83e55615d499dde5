//! Which PTX a driver reads.

/// Versions of the driver, as `cuDriverGetVersion` gives them, with the newest PTX that each reads
/// (CUDA's release notes and the table of releases in the PTX manual).
const PTX_OF_DRIVER: [(i32, Version); 14] = [
    (11080, Version(7, 8)),
    (12000, Version(8, 0)),
    (12010, Version(8, 1)),
    (12020, Version(8, 2)),
    (12030, Version(8, 3)),
    (12040, Version(8, 4)),
    (12050, Version(8, 5)),
    (12060, Version(8, 5)),
    (12070, Version(8, 6)),
    (12080, Version(8, 7)),
    (12090, Version(8, 8)),
    (13000, Version(9, 0)),
    (13010, Version(9, 1)),
    (13020, Version(9, 2)),
];

/// The driver that the device has where nothing else is said.
pub(crate) const NEWEST_DRIVER: i32 = 13000;

/// A version of PTX: major, minor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version(pub(crate) u32, pub(crate) u32);

impl std::fmt::Display for Version {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}.{}", self.0, self.1)
    }
}

/// The newest PTX that a driver reads: that of the newest driver in the table which is not newer.
pub(crate) fn newest_ptx(driver: i32) -> Version {
    PTX_OF_DRIVER
        .iter()
        .rev()
        .find(|(version, _)| *version <= driver)
        .map_or(PTX_OF_DRIVER[0].1, |(_, ptx)| *ptx)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_reads_the_ptx_of_its_release() {
        assert_eq!(newest_ptx(12040), Version(8, 4));
        assert_eq!(newest_ptx(12045), Version(8, 4));
        assert_eq!(newest_ptx(13000), Version(9, 0));
        assert_eq!(newest_ptx(9000), Version(7, 8));
    }
}
