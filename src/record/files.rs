//! Whole files, written atomically and read with the file's name in every error.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};

/// Temporary files begin with this; those left by a killed process are removed by the next.
pub(super) const TEMPORARY_PREFIX: &str = ".tmp-";
/// Those of the library that writes weights begin with this.
const OF_LIBRARY: &str = ".tmp";

/// Whether a name is one that [`write`], [`write_with`] or [`check_writable`] gives to a temporary file, or the library that
/// writes weights.
pub(super) fn is_temporary(name: &str) -> bool {
    let is_random =
        |rest: &str| rest.len() == 6 && rest.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let is_of_process = |rest: &str| {
        let parts = rest.split_once('-');
        parts.is_some_and(|(process, name)| is_number(process) && !name.is_empty())
    };
    let own = name.strip_prefix(TEMPORARY_PREFIX);
    own.is_some_and(|rest| is_random(rest) || is_of_process(rest))
        || name.strip_prefix(OF_LIBRARY).is_some_and(is_random)
}

/// Whether a text consists of digits.
pub(super) fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a folder can be read and has no entry.
pub(super) fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none())
}

/// The name that a run directory has while it is removed after another took its place; that of another machine's process is
/// another.
pub(super) fn replaced_name() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{TEMPORARY_PREFIX}{}{}{REPLACED}", std::process::id(), since.as_nanos())
}

/// Whether a name is one of [`replaced_name`].
pub(super) fn is_replaced(name: &str) -> bool {
    is_temporary(name) && name.ends_with(REPLACED)
}

const REPLACED: &str = "-replaced";

/// Between two changes of the disk.
#[cfg(test)]
fn step() {
    steps::step();
}

/// Between two changes of the disk.
#[cfg(not(test))]
fn step() {}

/// Gives a file or folder another name in the same folder, replacing a file that has it.
pub(super) fn rename(from: &Path, to: &Path) -> Result<()> {
    step();
    let renamed = fs::rename(from, to).and_then(|()| sync_folder(folder_of(to)));
    step();
    renamed.map_err(|error| cannot_write(to, error))
}

/// Exchanges the names of two folders at once, so that each name always means one of them.
///
/// # Errors
/// Where the system has no such call: only Linux is known to have one.
#[cfg(target_os = "linux")]
pub(super) fn exchange(one: &Path, other: &Path) -> std::io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    step();
    renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE)?;
    sync_folder(folder_of(one))?;
    step();
    Ok(())
}

/// Exchanges the names of two folders at once, which only Linux is known to do.
#[cfg(not(target_os = "linux"))]
pub fn exchange(_one: &Path, _other: &Path) -> std::io::Result<()> {
    Err(ErrorKind::Unsupported.into())
}

/// Removes a file or a folder with all that is in it, file by file; what is not there is no error.
pub(super) fn remove(path: &Path) -> Result<()> {
    step();
    let removed = if path.is_dir() && !path.is_symlink() {
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            remove(&entry.path())?;
        }
        fs::remove_dir(path)
    } else {
        fs::remove_file(path)
    };
    match removed {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(Error::io(path, "cannot remove")(error))
        }
        _ => Ok(()),
    }
}

/// Replaces a file as a whole: writes beside it, flushes to disk, renames.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = folder_of(path);
    let written = (|| {
        let mut temporary = temporary(folder)?;
        temporary.write_all(bytes)?;
        temporary.as_file().sync_all()?;
        step();
        temporary.persist(path).map_err(|error| error.error)?;
        sync_folder(folder)?;
        step();
        Ok(())
    })();
    written.map_err(|source| cannot_write(path, source))
}

/// Gives a file the permissions of files that `write` makes.
#[cfg(unix)]
fn share(file: &File) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(fs::Permissions::from_mode(0o644))
}

/// Leaves a file's permissions as they are.
#[cfg(not(unix))]
fn share(_file: &File) -> std::io::Result<()> {
    Ok(())
}

/// Replaces a file that `save` writes at the temporary path it is given.
pub fn write_with(path: &Path, save: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let folder = folder_of(path);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = folder.join(format!("{TEMPORARY_PREFIX}{}-{name}", std::process::id()));
    // Of a killed process of this number; or a link, which would be written through.
    let _ = fs::remove_file(&temporary);
    let saved = save(&temporary).map_err(|error| of_file(error, &temporary, path)).and_then(|()| {
        let flushed = File::open(&temporary).and_then(|file| {
            share(&file)?;
            file.sync_all()
        });
        step();
        let renamed = flushed.and_then(|()| fs::rename(&temporary, path));
        step();
        renamed.and_then(|()| sync_folder(folder)).map_err(|error| cannot_write(path, error))
    });
    if saved.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    saved
}

/// An error about the file that a temporary one is to replace.
fn of_file(error: Error, temporary: &Path, path: &Path) -> Error {
    let named = |path: &Path| path.display().to_string();
    match error {
        Error::Io { path: of, source, .. } if of == temporary => cannot_write(path, source),
        Error::Failed(said) => Error::Failed(said.replace(&named(temporary), &named(path))),
        other => other,
    }
}

/// The folder that a file lies in; the working directory for a bare name.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Makes a rename last; only Unix can and must.
fn sync_folder(folder: &Path) -> std::io::Result<()> {
    if cfg!(unix) { open_folder(folder)?.sync_all() } else { Ok(()) }
}

/// Opens a folder itself, which Unix alone does.
pub(super) fn open_folder(folder: &Path) -> std::io::Result<File> {
    File::open(folder)
}

/// A temporary file in a folder, with the permissions of files that [`write`] makes.
pub(super) fn temporary(folder: &Path) -> std::io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(TEMPORARY_PREFIX);
    #[cfg(unix)]
    let builder = {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o666))
    };
    builder.tempfile_in(folder)
}

/// Makes sure that files can be written into a folder, which is made where it is not there.
///
/// # Errors
/// If they cannot.
pub fn check_writable(folder: &Path) -> Result<()> {
    let mut builder = tempfile::Builder::new();
    fs::create_dir_all(folder)
        .and_then(|()| builder.prefix(TEMPORARY_PREFIX).tempfile_in(folder))
        .map(|_| ())
        .map_err(|error| cannot_write(folder, error))
}

/// A value as indented JSON, to be written to a file.
pub(super) fn to_json<T: Serialize>(value: &T, path: &Path) -> Result<Vec<u8>> {
    let mut text = serde_json::to_string_pretty(value).map_err(|error| {
        Error::failed(format!("{}: cannot be written as JSON: {error}", path.display()))
    })?;
    text.push('\n');
    Ok(text.into_bytes())
}

/// The value of the JSON of a file.
pub(super) fn from_json<T: DeserializeOwned>(bytes: &[u8], path: &Path) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|error| damaged(path, &error.to_string()))
}

/// Reads a file; `None` where there is none.
pub(super) fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    found(path, |path| crate::file::read(path))
}

/// Reads weights or a state of training, which may be of any length; `None` where there is none.
pub(super) fn read_any(path: &Path) -> Result<Option<Vec<u8>>> {
    found(path, |path| crate::file::read_any(path))
}

fn found(path: &Path, read: fn(&Path) -> std::io::Result<Vec<u8>>) -> Result<Option<Vec<u8>>> {
    // Who is given a run would have its page show any file of the own machine.
    let followed = |why: std::io::Error| {
        damaged(
            path,
            &format!("{why}: the file itself belongs here (`cp --dereference` copies it)"),
        )
    };
    crate::file::refuse_link(path).map_err(followed)?;
    match read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io(path, "cannot read")(error)),
    }
}

/// Reads a text file; the empty text where there is none.
pub(super) fn read_text(path: &Path) -> Result<String> {
    let Some(bytes) = read(path)? else { return Ok(String::new()) };
    String::from_utf8(bytes).map_err(|_| damaged(path, "it is not UTF-8 text"))
}

/// A file of the run directory that is there but cannot be understood.
pub(super) fn damaged(path: &Path, why: &str) -> Error {
    Error::failed(format!(
        "{}: this file of the run is damaged: {why}; the other files of the run are not touched: put \
         the file back from a copy, or make the run again with `oncospec run SPEC --force`",
        path.display()
    ))
}

/// A file in a finished run that its `status.json` does not name.
pub(super) fn added(path: &Path) -> Error {
    Error::failed(format!(
        "{}: this file was not there when the run finished, and status.json does not name it: move it away",
        path.display()
    ))
}

/// A file of the run directory that must be there and is not.
pub(super) fn missing(path: &Path) -> Error {
    Error::failed(format!(
        "{}: this file of the run is missing: put it back from a copy, or make the run again with \
         `oncospec run SPEC --force`",
        path.display()
    ))
}

/// The error of a failed write, with advice where a person can help.
pub(super) fn cannot_write(path: &Path, source: std::io::Error) -> Error {
    match source.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Error::failed(format!(
            "{}: cannot write: {source}: the folder is read-only; choose another with `run.output`",
            path.display()
        )),
        _ => Error::io(path, "cannot write")(source),
    }
}

/// Copies of a folder between any two changes of the disk, where a process may be killed.
#[cfg(test)]
pub(super) mod steps {
    use std::cell::{Cell, RefCell};
    use std::fs;
    use std::path::Path;
    use std::rc::Rc;

    type Look = Box<dyn FnMut()>;

    thread_local! {
        static LOOK: RefCell<Option<Look>> = const { RefCell::new(None) };
    }

    /// Copies a folder before and after every change of the disk that this thread makes in `work`, each time to a
    /// folder of its own below `copies`, from `0` on; how many there are.
    pub(crate) fn moments(folder: &Path, copies: &Path, work: impl FnOnce()) -> u32 {
        let count = Rc::new(Cell::new(0));
        let look = {
            let (count, from, copies) =
                (Rc::clone(&count), folder.to_path_buf(), copies.to_path_buf());
            move || {
                copy(&from, &copies.join(count.get().to_string()));
                count.set(count.get() + 1);
            }
        };
        LOOK.with(|place| *place.borrow_mut() = Some(Box::new(look)));
        work();
        LOOK.with(|place| place.borrow_mut().take());
        count.get()
    }

    fn copy(from: &Path, to: &Path) {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            let to = to.join(entry.file_name());
            if entry.path().is_dir() {
                copy(&entry.path(), &to);
            } else {
                fs::copy(entry.path(), to).unwrap();
            }
        }
    }

    pub(crate) fn step() {
        let look = LOOK.with(|place| place.borrow_mut().take());
        if let Some(mut look) = look {
            look();
            LOOK.with(|place| *place.borrow_mut() = Some(look));
        }
    }
}
