//! The legend of pictures.

use serde::Serialize;

use crate::evaluate::colour;
use crate::evaluate::pictures::{FALSE_NEGATIVE, FALSE_POSITIVE, TRUE_POSITIVE};
use crate::loss::Outputs;
use crate::record::{Record, Task};

/// A colour and its meaning.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Meaning {
    /// The colour, as CSS.
    pub colour: String,
    /// What it means.
    pub text: String,
}

/// The colours of a run's pictures: of its error maps, and of its classes where it has several.
pub(super) fn legend(record: &Record) -> Vec<Meaning> {
    let classes = &record.summary.classes;
    if record.summary.task == Task::Classify {
        return Vec::new();
    }
    if classes.len() < 2 {
        return vec![
            meaning(TRUE_POSITIVE, "true positive: lesion found"),
            meaning(FALSE_POSITIVE, "false positive: lesion predicted where there is none"),
            meaning(FALSE_NEGATIVE, "false negative: lesion missed"),
        ];
    }
    let of_class = |(index, name): (usize, &String)| {
        let label = u8::try_from(index).ok()?;
        Some(meaning(colour(label, Outputs::Classes(classes.len()))?, name))
    };
    let mut meanings: Vec<Meaning> = classes.iter().enumerate().filter_map(of_class).collect();
    meanings.push(meaning(FALSE_POSITIVE, "in the error map: wrong class"));
    meanings
}

fn meaning([red, green, blue]: [u8; 3], text: &str) -> Meaning {
    Meaning { colour: format!("rgb({red}, {green}, {blue})"), text: text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Summary;

    #[test]
    fn several_classes_are_told_apart_and_one_is_not_coloured() {
        let of = |classes: &[&str]| {
            let classes = classes.iter().map(|class| class.to_string()).collect();
            legend(&Record {
                summary: Summary { classes, ..Default::default() },
                ..Default::default()
            })
        };
        assert_eq!(of(&["lesion"]).len(), 3);
        let five = of(&["a", "b", "c"]);
        assert_eq!(five.len(), 4);
        assert_ne!(five[0].colour, five[1].colour);
    }
}
