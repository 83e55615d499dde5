//! Weights from and to files: `.pth` and `.pt` of PyTorch, `.safetensors`.
//!
//! Names are PyTorch's: a U-Net with a pretrained encoder has those of segmentation_models_pytorch, and its
//! encoder alone takes torchvision's as well, that of an EfficientNet timm's and EfficientNet-PyTorch's too. Loading is strict: every tensor of the network must be
//! in the file with its shape, and the file must have none besides. A pickle is parsed, not executed.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{BufReader, Read};
use std::path::Path;

use burn::module::Module;
use burn::store::bridge::{from_data, to_data};
use burn::store::burn_pack::Tensor as StoredTensor;
use burn::store::{
    ModuleSnapshot, ModuleStore, PyTorchToBurnAdapter, PytorchStore, SafetensorsStore,
};
use burn::tensor::{DType, TensorData};
use serde::{Deserialize, Serialize};
use zip::ZipArchive;

use super::catalogue::WeightsSpec;
use super::fusion::FUSION;
use super::names::{ToPytorch, collected, inward};
use super::published::{BackboneFiles, EncoderFiles, Published};
use super::{Model, Net};
use crate::digest::sha256_of_file;
use crate::error::{Error, Result};

/// What a file of weights is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The pretrained encoder of a U-Net.
    Encoder,
    /// A classifier without its head.
    Backbone,
    /// The whole network.
    Whole,
}

/// Which tensors of a network a file is to fill.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    /// What their names begin with.
    prefix: &'static str,
    /// What the names of those begin with that are left as they are.
    head: Option<&'static str>,
    /// The first layer, where files come for images of three channels.
    first: Option<&'static str>,
    /// Whether it may be adapted to other channels.
    adapts: bool,
    /// What the names of a classifier's tensors begin with that an encoder has no place for.
    beside: &'static [&'static str],
    /// Our name of a tensor that another library names otherwise.
    renamed: fn(&str) -> Option<String>,
}

impl Wanted {
    /// # Errors
    /// If the network has no such part.
    fn of(net: &Net, part: Part, path: &Path) -> Result<Self> {
        let published = net.published();
        let first = match published {
            Published::Nothing => None,
            Published::Encoder(EncoderFiles { first, .. })
            | Published::Backbone(BackboneFiles { first, .. }) => Some(first),
        };
        let renamed = |_: &str| None;
        let whole = Self { prefix: "", head: None, first, adapts: false, beside: &[], renamed };
        match (part, published) {
            (Part::Whole, _) => Ok(whole),
            (Part::Encoder, Published::Encoder(EncoderFiles { prefix, beside, renamed, .. })) => {
                Ok(Self { prefix, adapts: true, beside, renamed, ..whole })
            }
            (Part::Backbone, Published::Backbone(BackboneFiles { head, renamed, .. })) => {
                Ok(Self { head: Some(head), adapts: true, renamed, ..whole })
            }
            (Part::Encoder | Part::Backbone, _) => Err(Error::user(format!(
                "{}: this network has no encoder with weights of its own",
                path.display()
            ))),
        }
    }

    /// Whether a tensor of the network is among them.
    fn has(&self, name: &str) -> bool {
        let beside = |head: &str| name.starts_with(head) || name.starts_with(FUSION);
        name.starts_with(self.prefix) && !self.head.is_some_and(beside)
    }
}

/// A kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Pytorch,
    Safetensors,
}

impl Format {
    /// By the file's name.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        match extension.as_str() {
            "pth" | "pt" => Some(Self::Pytorch),
            "safetensors" => Some(Self::Safetensors),
            _ => None,
        }
    }
}

/// A tensor whose shape is not the network's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShapeMismatch {
    /// Its name in the network.
    pub name: String,
    /// The network's shape.
    pub expected: Vec<usize>,
    /// The file's shape.
    pub found: Vec<usize>,
}

/// How the tensors of a file met those of the network; names are the network's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WeightsReport {
    /// The file.
    pub path: String,
    /// SHA-256 of the file.
    pub sha256: String,
    /// Tensors with the network's name and shape.
    pub matched: Vec<String>,
    /// Tensors of the file that are not for the network: batch counters, an optimizer's state beside a
    /// `state_dict`, and, where only the encoder was asked for, the rest of that network.
    pub ignored: Vec<String>,
    /// Tensors of the network that the file lacks.
    pub missing: Vec<String>,
    /// Tensors of the file that the network lacks.
    pub unexpected: Vec<String>,
    /// Tensors of another shape than the network's.
    pub mismatched: Vec<ShapeMismatch>,
    /// What was done to the first layer for images of another number of channels.
    pub adapted: Option<String>,
}

impl WeightsReport {
    /// Whether the file has just what the network needs.
    pub fn fits(&self) -> bool {
        self.missing.is_empty() && self.unexpected.is_empty() && self.mismatched.is_empty()
    }
}

impl fmt::Display for WeightsReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} tensors match", self.path, self.matched.len())?;
        if let Some(adapted) = &self.adapted {
            write!(f, "\n  {adapted}")?;
        }
        let list = |f: &mut fmt::Formatter<'_>, what: &str, names: &[String]| -> fmt::Result {
            const SHOWN: usize = 8;
            if names.is_empty() {
                return Ok(());
            }
            let shown = names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
            let more = names.len().saturating_sub(SHOWN);
            let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
            write!(f, "\n  {} {what}: {shown}{rest}", names.len())
        };
        let mismatched: Vec<String> = self
            .mismatched
            .iter()
            .map(|m| format!("{} is {:?}, must be {:?}", m.name, m.found, m.expected))
            .collect();
        list(f, "of another shape", &mismatched)?;
        list(f, "missing", &self.missing)?;
        list(f, "unexpected", &self.unexpected)?;
        list(f, "ignored", &self.ignored)
    }
}

/// Loads a file of weights into a model, or into the encoder of its network.
///
/// The encoder takes files with torchvision's names (`conv1.weight`), an EfficientNet with timm's and
/// EfficientNet-PyTorch's besides, without regard for the classifier, and with segmentation_models_pytorch's (`encoder.conv1.weight`), without regard
/// for the rest of that network. A classifier without its head takes torchvision's names, EfficientNet-Lite0 those
/// of efficientnet-lite-pytorch as well, without regard for the file's head: of VGG and AlexNet the last layer, or, where their hidden widths are not
/// torchvision's, all of them. A first layer for three channels is
/// adapted to another number. Of tensors nested under `state_dict`, `model_state_dict`, `model` or
/// `module`, as checkpoints have them, these are taken and the rest ignored. Numbers of any float type become float32.
///
/// # Errors
/// Where the file cannot be read, has another checksum than the spec says, is no file of weights or a
/// damaged one, holds numbers that are not finite, or has other names or shapes than the network.
pub fn load_weights(
    model: Model,
    file: &WeightsSpec,
    part: Part,
) -> Result<(Model, WeightsReport)> {
    let path = file.path();
    let sha256 = expected_checksum(file)?;
    let wanted = Wanted::of(&model.net, part, path)?;
    let (mut stored, ignored) = renamed(read(path)?, wanted);
    let expected = expected(&model, wanted);
    let adapted = match wanted.first {
        Some(first) if wanted.adapts => adapt_first_layer(first, &mut stored, &expected, path)?,
        _ => None,
    };
    let report = WeightsReport { adapted, ..compare(file, sha256, &expected, &stored, ignored) };
    if !report.fits() {
        return Err(Error::user(misfit(&report, part, wanted)));
    }
    let tensors = stored
        .into_iter()
        .map(|(name, tensor)| Ok(from_data(numbers(path, &name, &tensor)?, inward(&name), None)))
        .collect::<Result<Vec<_>>>()?;
    Ok((apply(model, tensors, path)?, report))
}

/// Why a file of weights does not fit a model, as far as names, shapes and kinds of its tensors show; no number is read.
/// `None` if it fits.
pub fn weights_misfit(model: &Model, file: &WeightsSpec, part: Part) -> Option<String> {
    let found = || {
        let path = file.path();
        let wanted = Wanted::of(&model.net, part, path)?;
        let (mut stored, ignored) = renamed(read(path)?, wanted);
        let mut expected = expected(model, wanted);
        if let (Some(first), true) = (wanted.first, wanted.adapts)
            && adapts(first, &stored, &expected)
        {
            stored.remove(first);
            expected.remove(first);
        }
        Ok::<_, Error>((compare(file, String::new(), &expected, &stored, ignored), wanted))
    };
    match found() {
        Ok((report, _)) if report.fits() => None,
        Ok((report, wanted)) => Some(misfit(&report, part, wanted)),
        Err(error) => Some(error.to_string()),
    }
}

/// Whether the first layer is for three channels where the network has another number.
fn adapts(first: &str, stored: &Tensors, expected: &BTreeMap<String, Vec<usize>>) -> bool {
    let (Some(tensor), Some(shape)) = (stored.get(first), expected.get(first)) else {
        return false;
    };
    let &[outputs, channels, height, width] = &shape[..] else { return false };
    channels != 3 && tensor.shape.to_vec() == [outputs, 3, height, width]
}

/// Writes the weights of a model as `.safetensors`, replacing the file at once or not at all.
///
/// Running statistics are brought up to date first. PyTorch loads the file with `strict=True`.
///
/// # Errors
/// Where the file cannot be written.
pub fn save_weights(model: &Model, path: &Path) -> Result<()> {
    let mut store = SafetensorsStore::from_file(path)
        .overwrite(true)
        .clear_metadata()
        .metadata("format", "pt")
        .with_to_adapter(ToPytorch)
        .skip_enum_variants(true);
    store
        .collect_from(&model.valid())
        .map_err(|error| Error::failed(format!("{}: cannot write: {error}", path.display())))
}

/// SHA-256 of a file of weights, which must be the one that the spec says, if it says one.
///
/// # Errors
/// Where the file cannot be read, or is another.
pub fn expected_checksum(file: &WeightsSpec) -> Result<String> {
    let path = file.path();
    let sha256 = sha256_of_file(path)?;
    if let Some(expected) = &file.sha256
        && !sha256.starts_with(&expected.to_ascii_lowercase())
    {
        return Err(Error::user(format!(
            "{}: not the file that was meant: its SHA-256 is {sha256}, `sha256` says {expected}",
            path.display()
        )));
    }
    Ok(sha256)
}

type Tensors = BTreeMap<String, StoredTensor>;

/// The tensors of a file by the file's names, their numbers not yet read.
fn read(path: &Path) -> Result<Tensors> {
    refuse_stand_ins(path)?;
    let damaged = |kind: &str, error: String| {
        Error::user(format!("{}: not a {kind} file, or a damaged one: {error}", path.display()))
    };
    let tensors = match Format::of(path) {
        Some(Format::Pytorch) => {
            refuse_bombs(path).map_err(|why| damaged("PyTorch", why))?;
            PytorchStore::from_file(path)
                .map_indices_contiguous(false)
                .get_all_tensors()
                .map_err(|error| damaged("PyTorch", error.to_string()))?
                .clone()
        }
        Some(Format::Safetensors) => SafetensorsStore::from_file(path)
            .get_all_tensors()
            .map_err(|error| damaged("safetensors", error.to_string()))?
            .clone(),
        None => {
            return Err(Error::user(format!(
                "{}: weights must be a `.pth`, `.pt` or `.safetensors` file",
                path.display()
            )));
        }
    };
    if tensors.is_empty() {
        return Err(Error::user(format!("{}: holds no tensors", path.display())));
    }
    Ok(tensors)
}

/// Refuses what downloads leave in place of weights: nothing, a Git LFS pointer, a page.
fn refuse_stand_ins(path: &Path) -> Result<()> {
    let mut start = Vec::new();
    crate::file::open(path)
        .and_then(|file| file.take(64).read_to_end(&mut start))
        .map_err(Error::io(path, "cannot read"))?;
    let found = if start.is_empty() {
        "an empty file"
    } else if start.starts_with(b"version https://git-lfs") {
        "a Git LFS pointer, not the file it stands for (`git lfs pull` fetches that)"
    } else if start.trim_ascii_start().starts_with(b"<") {
        "a web page, not weights"
    } else {
        return Ok(());
    };
    Err(Error::user(format!("{}: {found}", path.display())))
}

/// Longest pickle of a `.pth` archive: its tensors' names, shapes and places.
const MOST_PICKLE_BYTES: u64 = 4 << 20;

/// Where a tar archive says that it is one, and what it says.
const TAR: (usize, &[u8]) = (257, b"ustar");

/// How PyTorch's files begin that are no archives, in binary pickles and as text.
const PYTORCH: [&[u8]; 2] =
    [b"\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", b"119547037146038801333356"];

/// Refuses a file of PyTorch that its reader would take far more memory for than it has bytes: a pickle that is compressed
/// many times over, a tar archive, whose files may be of any length and take no place, and a pickle without the numbers of
/// any tensor.
///
/// # Errors
/// Why, without the name of the file.
fn refuse_bombs(path: &Path) -> Result<(), String> {
    let unreadable = |error: std::io::Error| error.to_string();
    let mut start = Vec::new();
    let file = crate::file::open(path).map_err(unreadable)?;
    (&file).take(512).read_to_end(&mut start).map_err(unreadable)?;
    if ![b"PK\x03\x04", b"PK\x05\x06"].iter().any(|mark| start.starts_with(*mark)) {
        let is_tar = start.get(TAR.0..).is_some_and(|rest| rest.starts_with(TAR.1));
        let begins = |mark: &&[u8]| start.windows(mark.len()).take(64).any(|found| found == *mark);
        return match is_tar || !PYTORCH.iter().any(begins) {
            true => Err(
                "neither an archive as PyTorch writes since 1.6 nor its older format of one file"
                    .into(),
            ),
            false => Ok(()),
        };
    }
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(|error| error.to_string())?;
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index).map_err(|error| error.to_string())?;
        let is_pickle = entry.name_raw().ends_with(b"data.pkl");
        if is_pickle && entry.size() > MOST_PICKLE_BYTES {
            return Err(format!(
                "its data.pkl has {} bytes, more than the limit of {MOST_PICKLE_BYTES}",
                entry.size()
            ));
        }
    }
    Ok(())
}

/// The tensors under the network's names, and the names of those that are not for it.
fn renamed(tensors: Tensors, wanted: Wanted) -> (Tensors, Vec<String>) {
    let (tensors, mut ignored) = unwrapped(tensors);
    let prefix = wanted.prefix;
    let inside = prefix.is_empty() || tensors.keys().any(|name| name.starts_with(prefix));
    let mut kept = Tensors::new();
    for (name, tensor) in tensors {
        let own = (wanted.renamed)(&name).unwrap_or_else(|| name.clone());
        let classifier = !inside && wanted.beside.iter().any(|beside| own.starts_with(beside));
        let own = if inside { own } else { format!("{prefix}{own}") };
        let counter = name.ends_with(".num_batches_tracked");
        if counter || classifier || !wanted.has(&own) {
            ignored.push(name);
        } else {
            kept.insert(own, tensor);
        }
    }
    (kept, ignored)
}

/// Takes the tensors out of the dictionaries and wrappers that training scripts put around them; also
/// the names of what else was in the file, such as an optimizer's state.
fn unwrapped(mut tensors: Tensors) -> (Tensors, Vec<String>) {
    let mut ignored = Vec::new();
    for wrapper in ["state_dict.", "model_state_dict.", "model.", "module."] {
        if tensors.keys().any(|name| name.starts_with(wrapper)) {
            let (inside, outside): (Tensors, Tensors) =
                tensors.into_iter().partition(|(name, _)| name.starts_with(wrapper));
            ignored.extend(outside.into_keys());
            let unprefixed = |name: String| name[wrapper.len()..].to_string();
            tensors = inside.into_iter().map(|(name, t)| (unprefixed(name), t)).collect();
        }
    }
    (tensors, ignored)
}

/// Names and shapes of the network's tensors.
fn expected(model: &Model, wanted: Wanted) -> BTreeMap<String, Vec<usize>> {
    let tensors = collected(model).into_iter().filter(|tensor| wanted.has(&tensor.name));
    tensors.map(|tensor| (tensor.name, tensor.shape.to_vec())).collect()
}

fn compare(
    file: &WeightsSpec,
    sha256: String,
    expected: &BTreeMap<String, Vec<usize>>,
    stored: &Tensors,
    ignored: Vec<String>,
) -> WeightsReport {
    let mut report = WeightsReport {
        path: file.path().display().to_string(),
        sha256,
        ignored,
        ..WeightsReport::default()
    };
    for (name, shape) in expected {
        match stored.get(name) {
            None => report.missing.push(name.clone()),
            Some(tensor) if tensor.shape[..] == shape[..] => report.matched.push(name.clone()),
            Some(tensor) => report.mismatched.push(ShapeMismatch {
                name: name.clone(),
                expected: shape.clone(),
                found: tensor.shape.to_vec(),
            }),
        }
    }
    report.unexpected =
        stored.keys().filter(|name| !expected.contains_key(*name)).cloned().collect();
    report
}

/// Makes a first layer for red, green and blue one for another number of channels, as timm's
/// `adapt_input_conv` does: for one channel the sum of the three; for others the three in turn, scaled so
/// that equal channels give what they gave. Says what it did.
fn adapt_first_layer(
    first: &str,
    stored: &mut Tensors,
    expected: &BTreeMap<String, Vec<usize>>,
    path: &Path,
) -> Result<Option<String>> {
    let (Some(tensor), Some(shape)) = (stored.get(first), expected.get(first)) else {
        return Ok(None);
    };
    let &[outputs, channels, height, width] = &shape[..] else { return Ok(None) };
    if !adapts(first, stored, expected) {
        return Ok(None);
    }
    let given: Vec<f32> = numbers(path, first, tensor)?.iter().collect();
    let kernel = height * width;
    let mut values = Vec::with_capacity(outputs * channels * kernel);
    for filter in given.chunks(3 * kernel) {
        let colour = |colour: usize| &filter[colour * kernel..][..kernel];
        for channel in 0..channels {
            values.extend((0..kernel).map(|place| {
                if channels == 1 {
                    (0..3).map(|of| colour(of)[place]).sum::<f32>()
                } else {
                    colour(channel % 3)[place] * 3.0 / channels as f32
                }
            }));
        }
    }
    let data = TensorData::new(values, shape.clone());
    stored.insert(first.into(), from_data(data, first.into(), None));
    let how = if channels == 1 {
        "is the sum over red, green and blue".to_string()
    } else {
        format!("repeats red, green and blue, times 3 / {channels}")
    };
    Ok(Some(format!("{first} {how}: the file's is for 3 channels, images have {channels}")))
}

/// Why a file does not fit, with the reason in words where there is a usual one.
fn misfit(report: &WeightsReport, part: Part, wanted: Wanted) -> String {
    let what = match part {
        Part::Encoder => "the encoder",
        Part::Backbone => "the network without its head",
        Part::Whole => "the network",
    };
    let first_layer = report.mismatched.iter().find(|m| {
        wanted.first.is_some_and(|first| m.name == first)
            && m.found.len() == 4
            && m.expected.len() == 4
    });
    let hint = match first_layer {
        Some(m) if m.found[1] != m.expected[1] => format!(
            "\n  its first layer is for images with {} channels, these have {}",
            m.found[1], m.expected[1]
        ),
        _ => String::new(),
    };
    format!("weights do not fit {what}: {report}{hint}")
}

/// The numbers of a tensor as float32.
fn numbers(path: &Path, name: &str, tensor: &StoredTensor) -> Result<TensorData> {
    if !tensor.dtype.is_float() {
        return Err(Error::user(format!(
            "{}: {name} holds {:?}, not floating-point numbers",
            path.display(),
            tensor.dtype
        )));
    }
    let data = to_data(tensor)
        .map_err(|error| Error::user(format!("{}: damaged: {name}: {error}", path.display())))?
        .convert_dtype(DType::F32);
    if data.iter::<f32>().any(|number| !number.is_finite()) {
        return Err(Error::user(format!(
            "{}: {name} holds numbers that are not finite",
            path.display()
        )));
    }
    Ok(data)
}

/// Puts float32 tensors with the network's names into it.
fn apply(mut model: Model, tensors: Vec<StoredTensor>, path: &Path) -> Result<Model> {
    let given = tensors.len();
    let result = model.apply(tensors, None, Some(Box::new(PyTorchToBurnAdapter)), true);
    if !result.errors.is_empty() || result.applied.len() != given {
        return Err(Error::failed(format!("{}: cannot load: {result}", path.display())));
    }
    Ok(model)
}

#[cfg(test)]
mod tests;
