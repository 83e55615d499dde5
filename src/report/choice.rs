//! Whether a run's epoch was chosen on the images that it reports.

use super::configuration::spec_text;
use crate::record::Record;
use crate::split_name::SplitName;

/// Whether the test split chose the epoch, or is to choose it where the run has none yet.
pub(super) fn chosen_on_test(record: &Record) -> bool {
    match &record.summary.selection {
        Some(selection) => selection.metric.split == SplitName::Test,
        None => spec_text(record, "schedule.choose-on").as_deref() == Some("test"),
    }
}

/// The split that is measured after each epoch: validation, or test where that chooses.
pub(super) fn measured(record: &Record) -> SplitName {
    if chosen_on_test(record) { SplitName::Test } else { SplitName::Valid }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Selection;
    use crate::record::examples::named;

    #[test]
    fn the_figure_that_chose_decides_and_before_that_the_spec() {
        let spec = |on: &str| format!("[schedule]\nchoose-on = '{on}'");
        let said = |on: &str| chosen_on_test(&Record { spec: spec(on), ..Record::default() });
        assert!(said("test") && !said("valid") && !chosen_on_test(&Record::default()));
        let mut record = Record { spec: spec("test"), ..Record::default() };
        let chosen = |metric| Some(Selection { epoch: 1, metric: named(metric), value: 0.5 });
        record.summary.selection = chosen("valid.loss");
        assert_eq!(measured(&record), SplitName::Valid);
        record.summary.selection = chosen("test.loss");
        assert_eq!(measured(&record), SplitName::Test);
    }
}
