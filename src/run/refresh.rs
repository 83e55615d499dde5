//! Gives a finished run the words, bounds and places of the present spec.

use std::path::Path;

use super::changes::or_unset;
use super::gates::gates_of_record;
use super::summary;
use crate::error::{Error, Result};
use crate::plan::{Decisions, Plan};
use crate::record::{Record, RunDir, Summary, Words};
use crate::spec::{Role, Spec, diff, role};

/// Gives a finished run the keys of a plan that decide no figure: words, bounds and places, with the lines of a shell that
/// make it `again` so. Pictures stay as they are; the summary names keys that changed since the run was made.
///
/// One file commits all of it; the files that the run finished with stay.
///
/// # Errors
/// If the run cannot be read or written.
pub(super) fn refresh(folder: &Path, plan: &Plan, again: &[String]) -> Result<()> {
    let record = Record::read(folder)?;
    let now = plan.decisions.with_absolute_paths();
    let before = Decisions::from_toml(&record.plan)?;
    let made = Decisions::from_toml(&RunDir::open_read(folder)?.plan()?)?;
    let shown = summary::summary(plan);
    let summary = Summary {
        position: shown.position,
        description: shown.description,
        published: shown.published,
        overrides: shown.overrides,
        undrawn: changed_since(&made.spec, &now.spec),
        ..record.summary.clone()
    };
    let refreshed = Decisions { spec: with_pictures_of(&made.spec, &now.spec)?, ..before.clone() };
    let gates = gates_of_record(plan, &record)?;
    let table = |text: &str| text.parse::<toml::Table>().ok();
    let is_same = gates == [record.gates.as_slice(), &record.gates_of_folds].concat()
        && summary == record.summary
        && again == record.provenance.again
        && table(&record.spec) == table(&plan.spec_text)
        && refreshed.spec == before.spec;
    if is_same {
        return Ok(());
    }
    let words = Words {
        spec: plan.spec_text.clone(),
        plan: refreshed.to_toml()?,
        summary,
        gates,
        again: again.to_vec(),
    };
    RunDir::open_write(folder)?.write(&words)
}

/// The keys about pictures and about how fast the run is made that changed since it was made.
fn changed_since(made: &Spec, now: &Spec) -> Vec<String> {
    let differing = diff(&[made, now]).into_iter().filter_map(|(key, values)| match role(&key) {
        Role::Pictures => Some((
            key,
            values,
            "the pictures were drawn",
            ": `oncospec run SPEC --force` draws them anew",
        )),
        Role::Execution => Some((key, values, "the run was made", "")),
        _ => None,
    });
    differing
        .map(|(key, values, when, remedy)| {
            let (was, is) = (or_unset(&values, 0), or_unset(&values, 1));
            format!("{key} was {was} when {when} and is {is} now{remedy}")
        })
        .collect()
}

/// The second spec with the keys about pictures of the first.
fn with_pictures_of(made: &Spec, now: &Spec) -> Result<Spec> {
    let unwritable = |error: &dyn std::fmt::Display| Error::failed(format!("the spec: {error}"));
    let table = |spec: &Spec| toml::Table::try_from(spec).map_err(|error| unwritable(&error));
    let (made, mut merged) = (table(made)?, table(now)?);
    merged.retain(|key, _| role(key) != Role::Pictures);
    merged.extend(made.into_iter().filter(|(key, _)| role(key) == Role::Pictures));
    merged.try_into().map_err(|error: toml::de::Error| unwritable(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(more: &str) -> Spec {
        let text = "[dataset]\nkind = \"phantom\"\n[model]\nkind = \"unet\"\n";
        toml::from_str(&format!("name = \"a\"\n{more}\n{text}")).unwrap()
    }

    #[test]
    fn words_bounds_and_places_are_those_of_the_present_spec_and_pictures_stay() {
        let made = spec("description = \"first words\"\nseeds = [3]\nreport.best = 2");
        let now = spec(
            "seeds = [4]\nreport.best = 1\nrun.workers = 1\ngate.\"test.dice.mean\" = { at-least = 0.9 }",
        );
        let merged = with_pictures_of(&made, &now).unwrap();
        assert_eq!((&merged.description, &merged.gate), (&now.description, &now.gate));
        assert_eq!(
            (&merged.seeds, &merged.run),
            (&now.seeds, &now.run),
            "as the page shows the spec"
        );
        assert_eq!(merged.report, made.report);
        let said = changed_since(&made, &now);
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(said[0].starts_with("report.best was 2 when the pictures were drawn and is 1 now"));
        assert!(
            said[1].starts_with("run.workers was ") && said[1].ends_with(" is 1 now"),
            "{said:?}"
        );
        assert!(changed_since(&made, &made).is_empty());
    }
}
