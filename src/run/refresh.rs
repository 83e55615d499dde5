//! Updates the words and bounds of a finished run to those of the present spec.

use std::path::Path;

use super::judge::gates;
use super::resume::or_unset;
use super::summary;
use crate::error::{Error, Result};
use crate::plan::{Decisions, Plan};
use crate::record::{Record, RunDir, Summary};
use crate::spec::{Role, Spec, diff, role};

/// Updates the keys of a finished run that decide only words and bounds ([`Role::Presentation`]) to those of a plan.
/// Pictures stay as they are; the summary names keys about them that changed.
///
/// # Errors
/// If the run cannot be read or written.
pub(super) fn refresh(folder: &Path, plan: &Plan) -> Result<()> {
    let record = Record::read(folder)?;
    let spec = &plan.decisions.spec;
    let before = Decisions::from_toml(&record.plan)?;
    let gates = gates(spec, &record.figures)?;
    let now = summary::summary(plan);
    let summary = Summary {
        description: now.description,
        published: now.published,
        overrides: now.overrides,
        undrawn: undrawn(&before.spec, spec),
        ..record.summary.clone()
    };
    let refreshed = Decisions { spec: with_words_of(&before.spec, spec)?, ..before.clone() };
    let table = |text: &str| text.parse::<toml::Table>().ok();
    let spec_changed = table(&record.spec) != table(&plan.spec_text);
    let plan_changed = refreshed.spec != before.spec;
    if gates == record.gates && summary == record.summary && !spec_changed && !plan_changed {
        return Ok(());
    }
    let run = RunDir::open_write(folder)?;
    if spec_changed {
        run.write_spec(&plan.spec_text)?;
    }
    if plan_changed {
        run.write_plan(&refreshed.to_toml()?)?;
    }
    run.write(&summary)?;
    run.write(&gates)
}

/// The keys about pictures that changed since they were drawn.
fn undrawn(before: &Spec, now: &Spec) -> Vec<String> {
    let differing = diff(&[before, now]).into_iter().filter(|(key, _)| role(key) == Role::Pictures);
    differing
        .map(|(key, values)| {
            format!(
                "{key} was {} when the pictures were drawn and is {} now: `oncospec run SPEC --force` draws them anew",
                or_unset(&values, 0),
                or_unset(&values, 1)
            )
        })
        .collect()
}

/// The first spec with the words and bounds of the second.
fn with_words_of(before: &Spec, now: &Spec) -> Result<Spec> {
    let unwritable = |error: &dyn std::fmt::Display| Error::failed(format!("the spec: {error}"));
    let table = |spec: &Spec| toml::Table::try_from(spec).map_err(|error| unwritable(&error));
    let (mut merged, now) = (table(before)?, table(now)?);
    merged.retain(|key, _| role(key) != Role::Presentation);
    merged.extend(now.into_iter().filter(|(key, _)| role(key) == Role::Presentation));
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
    fn words_and_bounds_are_those_of_the_present_spec_and_all_else_stays() {
        let before = spec("description = \"first words\"\nseeds = [3]\nreport.best = 2");
        let now =
            spec("seeds = [4]\nreport.best = 1\ngate.\"test.dice.mean\" = { at-least = 0.9 }");
        let merged = with_words_of(&before, &now).unwrap();
        assert_eq!((&merged.description, &merged.gate), (&now.description, &now.gate));
        assert_eq!((&merged.seeds, &merged.report), (&before.seeds, &before.report));
        assert_eq!(merged.dataset, before.dataset);
        let said = undrawn(&before, &now);
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].starts_with("report.best was 2 when the pictures were drawn and is 1 now"));
        assert!(undrawn(&before, &before).is_empty());
    }
}
