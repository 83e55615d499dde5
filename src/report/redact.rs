//! Records without pictures and without the names of cases and groups, for a page that leaves a hospital.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::record::Record;

/// Names shorter than this are replaced where they stand alone, and not within other text.
const SHORTEST_IN_TEXT: usize = 4;

/// The records with `case 0001` and `group 0001` for the names of cases and groups, the same in all of them, and without any
/// picture. Names of files in findings are left out.
///
/// # Errors
/// If a record cannot be written and read again.
pub(super) fn redacted(records: &[Record]) -> Result<Vec<Record>> {
    let names = Names::new(records);
    records.iter().map(|record| names.redacted(record)).collect()
}

/// What stands for names.
struct Names {
    cases: BTreeMap<String, String>,
    groups: BTreeMap<String, String>,
    /// All of them with what stands for them, the longest first.
    in_text: Vec<(String, String)>,
}

impl Names {
    fn new(records: &[Record]) -> Self {
        let (mut cases, mut groups) = (BTreeSet::new(), BTreeSet::new());
        for record in records {
            let rows = record.split.iter().map(|row| (&row.case, &row.group));
            let rows = rows.chain(record.cases.iter().map(|row| (&row.case, &row.group)));
            let rows = rows.chain(record.scores.iter().map(|row| (&row.case, &row.group)));
            let rows = rows.chain(record.guide.iter().map(|row| (&row.case, &row.group)));
            for (case, group) in rows {
                cases.insert(case.clone());
                groups.insert(group.clone());
            }
        }
        let numbered = |names: BTreeSet<String>, what: &str| -> BTreeMap<String, String> {
            let names = names.into_iter().filter(|name| !name.is_empty());
            names.zip(1..).map(|(name, at)| (name, format!("{what} {at:04}"))).collect()
        };
        let (cases, groups) = (numbered(cases, "case"), numbered(groups, "group"));
        let mut in_text: Vec<(String, String)> = groups
            .iter()
            .chain(&cases)
            .filter(|(name, _)| name.chars().count() >= SHORTEST_IN_TEXT)
            .map(|(name, number)| (name.clone(), number.clone()))
            .collect();
        in_text.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
        Self { cases, groups, in_text }
    }

    fn redacted(&self, record: &Record) -> Result<Record> {
        let mut record = record.clone();
        let (case, group) = (
            |name: &mut String| replace(name, &self.cases),
            |name: &mut String| {
                replace(name, &self.groups);
            },
        );
        for row in record.split.iter_mut() {
            case(&mut row.case);
            group(&mut row.group);
        }
        for row in record.cases.iter_mut() {
            case(&mut row.case);
            group(&mut row.group);
        }
        for row in &mut record.scores {
            case(&mut row.case);
            group(&mut row.group);
        }
        for row in &mut record.guide {
            case(&mut row.case);
            group(&mut row.group);
        }
        record.pictures.clear();
        record.film.clear();
        record.data_pictures.clear();
        for finding in &mut record.summary.findings {
            finding.names.clear();
        }
        record.summary = self.without_names(&record.summary)?;
        record.provenance = self.without_names(&record.provenance)?;
        record.readings = self.without_names(&record.readings)?;
        record.status.why = record.status.why.map(|why| self.text(&why));
        record.spec = self.text(&record.spec);
        record.plan = self.text(&record.plan);
        Ok(record)
    }

    /// A value with its texts without names.
    fn without_names<T: Serialize + DeserializeOwned>(&self, value: &T) -> Result<T> {
        let unreadable = |error: serde_json::Error| {
            Error::failed(format!("names cannot be taken out of a record: {error}"))
        };
        let value = serde_json::to_value(value).map_err(unreadable)?;
        serde_json::from_value(self.values(value)).map_err(unreadable)
    }

    fn values(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(&text)),
            Value::Array(items) => items.into_iter().map(|item| self.values(item)).collect(),
            Value::Object(fields) => {
                fields.into_iter().map(|(key, field)| (key, self.values(field))).collect()
            }
            other => other,
        }
    }

    fn text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (name, number) in &self.in_text {
            if text.contains(name.as_str()) {
                text = text.replace(name.as_str(), number);
            }
        }
        text
    }
}

fn replace(name: &mut String, by: &BTreeMap<String, String>) {
    if let Some(number) = by.get(name) {
        name.clone_from(number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::examples;
    use crate::report::{ReportOptions, render};

    #[test]
    fn a_redacted_page_has_no_picture_and_no_name_of_a_case_or_group() {
        let root = tempfile::tempdir().unwrap();
        let mut record = examples::busi(root.path(), "ward", 0, 4, 40);
        let (case, group) = {
            let row = &record.split[3];
            (row.case.clone(), row.group.clone())
        };
        record.status.why = Some(format!("stopped at {case}"));
        record.summary.notes.push(format!("{group} was looked at"));
        let open = ReportOptions::default();
        let html = render(std::slice::from_ref(&record), &open).unwrap();
        assert!(html.contains("data:image/") && html.contains(&case));
        let redact = ReportOptions { redact: true, ..open };
        let html = render(std::slice::from_ref(&record), &redact).unwrap();
        assert!(!html.contains("data:image/"));
        for row in record.split.iter() {
            assert!(!html.contains(&row.case), "{}", row.case);
            assert!(row.group.len() < SHORTEST_IN_TEXT || !html.contains(&row.group));
        }
        assert!(html.replace("<wbr>", "").contains("case 00"));
        assert!(html.contains("the names of cases are left out"));
        // The same case has the same number in all runs.
        let both = redacted(&[record.clone(), record]).unwrap();
        assert_eq!(both[0].split, both[1].split);
    }
}
