//! Numbers in the cells of a table.

/// Cells that are shown of those that are wrong.
const SHOWN: usize = 3;

/// The number that a cell holds; NaN and infinity are none.
pub(crate) fn number(cell: &str) -> Option<f64> {
    cell.parse().ok().filter(|number: &f64| number.is_finite())
}

/// What is said of cells of a column that hold no number, each with the name of its case; `None` where all do.
pub(crate) fn without_numbers<'a>(
    cells: impl Iterator<Item = (&'a str, &'a str)>,
) -> Option<String> {
    let wrong = cells.filter(|(cell, _)| number(cell).is_none());
    let wrong: Vec<String> = wrong.map(|(cell, case)| format!("`{cell}` of {case}")).collect();
    let more = match wrong.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    (!wrong.is_empty()).then(|| {
        format!(
            "holds what is no number: {}{more}; a decimal point must be a point and a cell without a value empty",
            wrong[..wrong.len().min(SHOWN)].join(", ")
        )
    })
}
