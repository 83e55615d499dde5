//! Values of columns for new images, of a network that is given them beside the image.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::data::Metadata;
use crate::error::{Error, Result};
use crate::outputs::canonical;
use crate::plan::Decisions;
use crate::source::SourceSpec;
use crate::source::table::paths::Paths;
use crate::source::table::sheet::Sheet;

/// What a table says of images, by their files.
pub struct Columns {
    table: PathBuf,
    of_image: HashMap<PathBuf, Metadata>,
}

impl Columns {
    /// Reads a table with the column of image files that the run's own table has, and those that its network is given.
    /// Paths are relative to the table, or else to the folder of the run's data.
    ///
    /// # Errors
    /// The user's, if the run's network is given none, or the table cannot be read or lacks one.
    pub fn read(table: &Path, decisions: &Decisions) -> Result<Self> {
        let shown = table.display();
        let SourceSpec::Table(spec) = &decisions.spec.dataset.source else {
            return Err(unused(table));
        };
        let Some(fuse) = decisions.spec.task.fuse() else { return Err(unused(table)) };
        let sheet = Sheet::read(table)?;
        let place = |name: &String| {
            let there = || sheet.header.join(", ");
            let place = sheet.column(name);
            place.ok_or_else(|| {
                Error::user(format!("{shown}: no column `{name}`; it has {}", there()))
            })
        };
        let image = place(&spec.image)?;
        let columns: Vec<(&String, usize)> =
            fuse.columns.iter().map(|name| Ok((name, place(name)?))).collect::<Result<_>>()?;
        let folder = table.parent().unwrap_or(Path::new("."));
        let mut paths = Paths::new(folder, Path::new(&spec.root));
        let mut of_image = HashMap::new();
        for row in &sheet.rows {
            // A table may have rows of images that are elsewhere.
            let Ok(path) = paths.find(&row.cells[image]) else { continue };
            let value =
                |place: usize| Some(row.cells[place].clone()).filter(|cell| !cell.is_empty());
            let metadata = columns.iter().map(|(name, place)| ((*name).clone(), value(*place)));
            if of_image.insert(canonical(&path), metadata.collect()).is_some() {
                return Err(Error::user(format!(
                    "{shown}:{}: `{}` is there twice: keep one row of each image",
                    row.at, row.cells[image]
                )));
            }
        }
        Ok(Self { table: table.to_path_buf(), of_image })
    }

    /// What it says of an image.
    ///
    /// # Errors
    /// The user's, if it has no row of it.
    pub fn of(&self, image: &Path) -> Result<Metadata> {
        self.of_image.get(&canonical(image)).cloned().ok_or_else(|| {
            Error::user(format!(
                "{}: no row of {} names it, and the network is given columns beside the image",
                image.display(),
                self.table.display()
            ))
        })
    }
}

/// Refuses a table where the network is given the image alone.
fn unused(table: &Path) -> Error {
    Error::user(format!(
        "--table {}: the network of this run is given the image alone; leave it out",
        table.display()
    ))
}
