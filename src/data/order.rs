//! The order in which the cases of an epoch come.

use std::collections::HashMap;

use super::dataset::Dataset;
use super::draws::{Draws, Purpose, shuffle_epoch};
use super::random::shuffle;
use crate::source::case::ImageSource;
use crate::source::roi::OPEN_ROIS;

/// Puts cases into the order of one epoch of a seed. Where they are tiles of regions, they are drawn from a few regions at
/// a time, so that each region is decoded once; when all tiles of one have come, the next takes its place.
pub(super) fn order_epoch(dataset: &Dataset, cases: &mut Vec<usize>, seed: u32, epoch: u32) {
    let path = |&case: &usize| match &dataset.cases[case].image {
        ImageSource::Region(region) => Some(region.path.as_path()),
        ImageSource::File(_) | ImageSource::Phantom(_) => None,
    };
    let mut regions: Vec<Vec<usize>> = Vec::new();
    let mut of_path = HashMap::new();
    for case in cases.iter() {
        let Some(path) = path(case) else { return shuffle_epoch(cases, seed, epoch) };
        let region = *of_path.entry(path).or_insert(regions.len());
        if region == regions.len() {
            regions.push(Vec::new());
        }
        regions[region].push(*case);
    }
    let mut stream = Draws::new(seed, epoch, "").stream(Purpose::Shuffle);
    shuffle(&mut regions, |bound| stream.below(bound));
    let mut waiting = regions.into_iter();
    let mut open: Vec<Vec<usize>> = waiting.by_ref().take(OPEN_ROIS).collect();
    cases.clear();
    while !open.is_empty() {
        // Any tile of the open regions is as likely as any other.
        let left: usize = open.iter().map(Vec::len).sum();
        let mut drawn = stream.below(left as u32) as usize;
        let mut region = 0;
        while drawn >= open[region].len() {
            drawn -= open[region].len();
            region += 1;
        }
        cases.push(open[region].swap_remove(drawn));
        if open[region].is_empty() {
            match waiting.next() {
                Some(next) => open[region] = next,
                None => drop(open.remove(region)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::{open, tiny};
    use super::*;
    use crate::source::roi::LEAST_CACHE_FILES;
    use crate::source::sample::{save_image, save_mask, spec};

    /// Ten regions of 12 tiles each.
    fn dataset(folder: &Path) -> Dataset {
        for region in 0..10 {
            let stem = format!("TCGA-A1-A0S{region}-DX1");
            save_image(&folder.join(format!("images/{stem}.png")), 32, 24);
            save_mask(&folder.join(format!("masks/{stem}.png")), 32, 24, |_| 1);
        }
        open(&spec("kind = 'bcss'\nroot = $\nimage-size = 8\nlayout.kind = 'rois'", folder))
            .unwrap()
    }

    fn ordered(dataset: &Dataset, seed: u32, epoch: u32) -> Vec<usize> {
        let mut cases: Vec<usize> = (0..dataset.cases.len()).collect();
        order_epoch(dataset, &mut cases, seed, epoch);
        cases
    }

    #[test]
    fn tiles_come_from_few_regions_at_a_time_and_each_once() {
        let folder = tempfile::tempdir().unwrap();
        let dataset = dataset(folder.path());
        assert_eq!(dataset.cases.len(), 120);
        for epoch in 0..5 {
            let order = ordered(&dataset, 3, epoch);
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..120).collect::<Vec<_>>());
            let region = |place: usize| order[place] / 12;
            let last = |of: usize| (0..120).rev().find(|&place| region(place) == of).unwrap();
            let first = |of: usize| (0..120).find(|&place| region(place) == of).unwrap();
            for place in 0..120 {
                let open = (0..10).filter(|&of| first(of) <= place && place <= last(of)).count();
                assert!(open <= OPEN_ROIS, "{open} regions at {place}");
            }
            // Tiles of several regions stand side by side.
            assert!((1..120).filter(|&place| region(place) != region(place - 1)).count() > 40);
        }
    }

    #[test]
    fn each_region_is_decoded_about_once_an_epoch() {
        let folder = tempfile::tempdir().unwrap();
        let dataset = dataset(folder.path());
        let mut decoded = 0;
        for epoch in 0..20 {
            // The regions that the cache holds at least, the most recently used last.
            let mut held: Vec<usize> = Vec::new();
            for case in ordered(&dataset, 0, epoch) {
                let region = case / 12;
                match held.iter().position(|&other| other == region) {
                    Some(place) => drop(held.remove(place)),
                    None => decoded += 1,
                }
                held.push(region);
                if held.len() > LEAST_CACHE_FILES / 2 {
                    held.remove(0);
                }
            }
        }
        assert!((200..=204).contains(&decoded), "{decoded} times for 20 epochs of 10 regions");
    }

    #[test]
    fn the_order_follows_from_seed_and_epoch_and_what_came_before_in_no_way() {
        let folder = tempfile::tempdir().unwrap();
        let dataset = dataset(folder.path());
        let order = ordered(&dataset, 0, 1);
        assert_eq!(order, ordered(&dataset, 0, 1));
        assert_ne!(order, ordered(&dataset, 0, 2));
        assert_ne!(order, ordered(&dataset, 1, 1));
    }

    #[test]
    fn other_cases_are_shuffled_as_a_whole() {
        let folder = tempfile::tempdir().unwrap();
        let dataset = tiny::dataset(folder.path(), 7);
        let mut expected: Vec<usize> = (0..7).collect();
        shuffle_epoch(&mut expected, 5, 2);
        assert_eq!(ordered(&dataset, 5, 2), expected);
    }
}
