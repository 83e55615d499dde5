//! What a run records of its cases: where each went, and what it held.

use crate::plan::Plan;
use crate::record::{DataRow, SplitRow, Table};
use crate::split_name::SplitName;

/// Digits of the recorded digest of a case: enough to see that it changed.
const DIGITS: usize = 16;

/// Where each case of a plan went, each split in the order of its list where it has one.
pub(super) fn split_rows(plan: &Plan) -> Table<SplitRow> {
    let mut rows = Vec::new();
    for part in SplitName::ALL {
        for index in plan.split.in_order(part) {
            let case = &plan.dataset.cases[index];
            rows.push(SplitRow {
                case: case.id.clone(),
                group: plan.split.groups[index].clone(),
                label: case.label.clone(),
                split: part,
                fold: plan.split.fold,
                metadata: case.metadata.clone(),
            });
        }
    }
    rows.into()
}

/// What each case of a plan holds.
pub(super) fn data_rows(plan: &Plan) -> Table<DataRow> {
    let short = |digest: &String| digest.chars().take(DIGITS).collect();
    let rows = plan.case_digests.iter().map(|digest| DataRow {
        case: digest.case.clone(),
        image: short(&digest.image),
        whole: short(&digest.whole),
    });
    rows.collect::<Vec<_>>().into()
}
