//! The plan of an average: the evaluation of the mean of the probabilities of several runs.

use super::{Plan, identity};

impl Plan {
    /// The average of the runs of some plans, which differ in their seeds alone; `None` of fewer than two.
    ///
    /// It has data, split and spec of its runs and an id that follows from theirs, which hold what its figures depend on.
    pub fn average(mut runs: Vec<Self>) -> Option<Self> {
        runs.sort_by_key(|run| run.decisions.seed);
        if runs.len() < 2 {
            return None;
        }
        let ids = identity::ids_of_average(&runs);
        let members = runs.iter().map(|run| run.decisions.run_id.clone()).collect();
        let seeds = runs.iter().map(|run| run.decisions.seed).collect();
        let mut average = runs.swap_remove(0);
        average.position.average = seeds;
        average.members = members;
        average.decisions.run_id = ids.run();
        average.decisions.training_id = ids.training;
        Some(average)
    }

    /// Whether it is that of an average, which trains nothing.
    pub fn is_average(&self) -> bool {
        !self.members.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::Family;
    use crate::plan::{Depth, Extent, check, prefix, survey};
    use crate::spec::load;

    /// The plans of some seeds.
    fn plans(seeds: &[u32], more: &str) -> Vec<Plan> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.toml");
        let text = format!(
            "name = 'a'\nseeds = {seeds:?}\n[dataset]\nkind = 'phantom'\ncases = 40\nimage-size = 32\n\
             [model]\nkind = 'unet'\nencoder = {{ kind = 'plain', filters = [4, 8] }}\n{more}"
        );
        std::fs::write(&path, text).unwrap();
        let loaded = load(&path, &[], std::iter::empty()).unwrap();
        let checked = check(loaded, Depth::Headers).unwrap();
        let survey = survey(&checked, Extent::All).unwrap();
        let plan = |&seed: &u32| checked.plan(&survey, seed, Family::Cpu).unwrap();
        seeds.iter().map(plan).collect()
    }

    fn average(seeds: &[u32], more: &str) -> Plan {
        Plan::average(plans(seeds, more)).unwrap()
    }

    #[test]
    fn an_average_is_named_by_its_runs_whatever_their_order() {
        let one = average(&[3, 1, 2], "");
        assert_eq!(one.position.average, [1, 2, 3]);
        assert_eq!(one.name(), "a, average of seeds 1, 2, 3");
        let of = plans(&[1, 2, 3], "");
        let ids: Vec<&String> = of.iter().map(|plan| &plan.decisions.run_id).collect();
        assert!(one.members.iter().eq(ids));
        assert_eq!(one.decisions.run_id, average(&[1, 2, 3], "").decisions.run_id);
        assert!(Plan::average(plans(&[1], "")).is_none());
        // No run takes over weights from it, nor it from a run.
        let begins = prefix(&one.decisions.training_id);
        assert!(one.decisions.run_id.starts_with(&begins));
        assert!(of.iter().all(|plan| !plan.decisions.run_id.starts_with(&begins)));
    }

    #[test]
    fn the_id_of_an_average_follows_from_its_runs_and_how_they_are_scored() {
        let ids = |seeds: &[u32], more: &str| {
            let decisions = average(seeds, more).decisions;
            (decisions.training_id, decisions.run_id)
        };
        let plain = ids(&[1, 2], "");
        assert_ne!(ids(&[1, 3], "").0, plain.0);
        let scored = ids(&[1, 2], "[evaluation]\nmetrics = ['dice']");
        assert_eq!(scored.0, plain.0);
        assert_ne!(scored.1, plain.1);
        let asked_for = ids(&[1, 2], "[evaluation]\nensemble = true");
        assert_eq!(asked_for, plain, "the key alone changes no figure");
    }

    #[test]
    fn an_average_of_one_seed_is_refused_at_its_key() {
        let refused = |seeds: &str| {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("a.toml");
            let text = "name = 'a'\n[dataset]\nkind = 'phantom'\n[model]\nkind = 'unet'\n\
                        [evaluation]\nensemble = true";
            std::fs::write(&path, text).unwrap();
            let loaded = load(&path, &[format!("seeds={seeds}")], std::iter::empty()).unwrap();
            check(loaded, Depth::Headers).err().map(|problems| problems.to_string())
        };
        let said = refused("[0]").unwrap();
        assert!(said.contains("`seeds` has one") && said.contains("ensemble = true"), "{said}");
        assert_eq!(refused("[0, 1]"), None);
    }
}
