//! What a file of a stranger can do: nothing but be refused in words, or be harmless. SECURITY.md names these tests.
//!
//! Each command has 3 GiB of addresses and a minute, so that what would take all memory, or all time, shows.

use std::fs;
use std::io::{Cursor, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use image::{GrayImage, RgbImage};
use oncospec::digest::sha256;
use oncospec::model::WeightsName;
use oncospec::text::is_hidden;
use polars::prelude::{NamedFrom, ParquetReader, ParquetWriter, SerReader, Series};
use serde_json::{Value, json};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::support::{Bench, Said, json as json_of, said};

/// Does a command in little memory and time. It must end by itself, and say so in words.
#[track_caller]
fn confined(bench: &Bench, arguments: &[&str]) -> Said {
    let mut command = Command::new("bash");
    command
        .args(["-c", "ulimit -v 3145728 && exec timeout 60 \"$@\"", "bash"])
        .arg(env!("CARGO_BIN_EXE_oncospec"))
        .args(arguments)
        .current_dir(bench.path())
        // Threads take addresses for memory of their own.
        .envs([("MALLOC_ARENA_MAX", "2"), ("RAYON_NUM_THREADS", "2")])
        .env("XDG_CACHE_HOME", bench.path().join("cache"))
        .stdin(Stdio::null());
    let said = said(command.output().unwrap());
    assert!(matches!(said.code, Some(0..=2)), "{arguments:?}: {said:?}");
    for end in ["panicked", "overflowed its stack", "memory allocation of"] {
        assert!(!said.err.contains(end), "{arguments:?}: {}", said.err);
    }
    is_plain(&said.out);
    is_plain(&said.err);
    said
}

/// Checks that a text moves no cursor and turns no writing.
#[track_caller]
fn is_plain(text: &str) {
    let hidden = text.chars().find(|&c| is_hidden(c) && !['\n', '\t'].contains(&c));
    assert_eq!(hidden, None, "{text}");
}

/// A zlib stream of so many zeros, a thousandth as long: runs of 258 by a fixed code.
fn zeros(bytes: usize) -> Vec<u8> {
    let runs = bytes.div_ceil(258);
    let (mut stream, mut held, mut bits) = (vec![0x78, 0x01], 0_u32, 0);
    let mut put = |code: u32, length: u32| {
        held |= code << bits;
        bits += length;
        while bits >= 8 {
            stream.push(held as u8);
            held >>= 8;
            bits -= 8;
        }
    };
    // The last block, of fixed codes; a zero; runs of 258 (a code of 8 bits, the highest first) of what is one byte before
    // (5 bits of 0); the end of the block (7 bits of 0), and what fills the last byte.
    put(0b011, 3);
    put(0b0000_1100, 8);
    for _ in 0..runs {
        put(0b1010_0011, 8);
        put(0, 5);
    }
    put(0, 7 + 7);
    let count = 1 + 258 * runs as u32;
    stream.extend((((count % 65_521) << 16) | 1).to_be_bytes());
    stream
}

fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, &byte| {
        (0..8).fold(sum ^ u32::from(byte), |sum, _| {
            (sum >> 1) ^ (0xedb8_8320 & (sum & 1).wrapping_neg())
        })
    })
}

/// A gray PNG with chunks before its pixels, which are a zlib stream.
fn png((width, height): (u32, u32), chunks: &[(&[u8; 4], Vec<u8>)], pixels: Vec<u8>) -> Vec<u8> {
    let mut header = [width.to_be_bytes(), height.to_be_bytes()].concat();
    header.extend([8, 0, 0, 0, 0]);
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    let all = [(b"IHDR", header)].into_iter().chain(chunks.iter().cloned());
    for (kind, data) in all.chain([(b"IDAT", pixels), (b"IEND", Vec::new())]) {
        let named = [&kind[..], &data].concat();
        bytes.extend((data.len() as u32).to_be_bytes());
        bytes.extend(&named);
        bytes.extend(crc(&named).to_be_bytes());
    }
    bytes
}

/// Kinds of the values of a TIFF.
const SHORT: u16 = 3;
const LONG: u16 = 4;

/// A little-endian TIFF of one directory, behind which its data stand, with the place of the next one.
fn tiff(entries: &[(u16, u16, u32, u32)], next: u32, data: &[u8]) -> Vec<u8> {
    let mut bytes = b"II*\0\x08\0\0\0".to_vec();
    bytes.extend((entries.len() as u16).to_le_bytes());
    for (tag, kind, count, value) in entries {
        bytes.extend([tag.to_le_bytes(), kind.to_le_bytes()].concat());
        bytes.extend([count.to_le_bytes(), value.to_le_bytes()].concat());
    }
    bytes.extend(next.to_le_bytes());
    bytes.extend(data);
    bytes
}

/// Where the data of such a TIFF begin.
fn behind(entries: usize) -> u32 {
    8 + 2 + 12 * entries as u32 + 4
}

/// DICOM without pixels: what says that it is one, then elements.
fn dicom(elements: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 128];
    bytes.extend(b"DICM\x02\0\x10\0UI\x14\x001.2.840.10008.1.2.1\0");
    bytes.extend(elements);
    bytes
}

/// XMP that names a namespace, and an orientation, so often that looking each up among all takes hours.
fn endless_xmp() -> Vec<u8> {
    let bindings: String =
        (0..40_000).map(|at| format!(" xmlns:n{at}=\"http://ns.adobe.com/tiff/1.0/\"")).collect();
    let names = "<none:Orientation ".repeat(150_000);
    [b"XML:com.adobe.xmp\0\0\0\0\0".as_slice(), bindings.as_bytes(), names.as_bytes()].concat()
}

/// Images, each with its name and what is said of it; of those that are harmless nothing is.
fn images() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let gray = |more: &[(u16, u16, u32, u32)], width: u32| {
        let mut entries =
            vec![(256, LONG, 1, width), (257, LONG, 1, 10), (258, SHORT, 1, 8), (262, SHORT, 1, 1)];
        entries.extend(more);
        entries.sort_by_key(|entry| entry.0);
        entries
    };
    let strip = |width: u32, at: u32, bytes: u32, compression: u32| {
        gray(&[(259, SHORT, 1, compression), (273, LONG, 1, at), (279, LONG, 1, bytes)], width)
    };
    let inflating = zeros(1 << 28);
    let text = [b"Raw profile type exif\0\0".as_slice(), &zeros(7 << 28)].concat();
    let whole = zeros(100 * 101);
    let sequence = b"\x08\0\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\0\xe0\xff\xff\xff\xff";
    let mut bmp = b"BM\0\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0".to_vec();
    bmp.extend([i32::MAX.to_le_bytes(), i32::MAX.to_le_bytes()].concat());
    bmp.extend(b"\x01\0\x18\0");
    bmp.extend([0; 64]);
    let samples = [(277, SHORT, 1, 65_535), (338, SHORT, 65_532, 200), (262, SHORT, 1, 2)];
    let mut many = strip(60_000, 8, 8, 1);
    many.retain(|entry| entry.0 != 262);
    many.extend(samples);
    many.sort_by_key(|entry| entry.0);
    let tiles = [
        (317, SHORT, 1, 3),
        (322, LONG, 1, 1 << 30),
        (323, LONG, 1, 16),
        (324, LONG, 1, 8),
        (325, LONG, 1, 8),
        (339, SHORT, 1, 3),
    ];
    let mut tiled = gray(&tiles, 10);
    tiled.iter_mut().filter(|entry| entry.0 == 258).for_each(|entry| entry.3 = 32);
    let mut webp = b"RIFF\x1e\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\xff\xff\x3f\xff\xff\x3f".to_vec();
    webp.extend(b"VP8 \0\0\0\0\0\0\0\0");
    vec![
        ("declared.png", png((60_000, 60_000), &[], zeros(1)), "cannot hold"),
        ("large.png", png((60_000, 60_000), &[], zeros(60_000 * 60_001)), "megapixels"),
        ("inflating.png", png((100, 100), &[], inflating.clone()), ""),
        ("text.png", png((100, 100), &[(b"zTXt", text)], whole.clone()), "cannot be read"),
        ("xmp.png", png((100, 100), &[(b"iTXt", endless_xmp())], whole.clone()), ""),
        ("profile.png", png((100, 100), &[(b"iCCP", [b"p\0\0", &zeros(1 << 30)[..]].concat())], whole), ""),
        ("loop.tif", tiff(&strip(10, 8, 100, 1), 8, &[0; 100]), "a cycle"),
        ("strips.tif", tiff(&gray(&[(273, LONG, u32::MAX, 8), (279, LONG, u32::MAX, 8)], 10), 0, &[]), "TIFF"),
        ("tiles.tif", tiff(&tiled, 0, &[0; 100]), "in a row of a strip or tile"),
        ("samples.tif", tiff(&many, 0, &vec![0; 1 << 18]), "in a row of a strip or tile"),
        ("inflating.tif", tiff(&strip(10, behind(7), inflating.len() as u32, 8), 0, &inflating), ""),
        ("large.bmp", bmp, "large.bmp"),
        (
            "large.jpg",
            b"\xff\xd8\xff\xc0\0\x0b\x08\xff\xff\xff\xff\x01\x01\x11\0\xff\xda\0\x08\x01\x01\0\0\x3f\0\0\xff\xd9".to_vec(),
            "megapixels",
        ),
        ("large.webp", webp, "large.webp"),
        ("length.dcm", dicom(b"\x10\0\x10\0UN\0\0\xf0\xff\xff\xff"), "truncated"),
        ("deep.dcm", dicom(&sequence.repeat(100_000)), "sequences within one another"),
    ]
}

/// Classifies the images of a folder in the layout of BUSI.
const CLASSIFY: &str = r#"
name = "hostile"

[task]
kind = "classify"

[dataset]
kind = "busi"
root = "busi"
image-size = 32
channels = "gray"
split = { kind = "holdout", fractions = { train = 0.6, valid = 0.2, test = 0.2 } }

[model]
kind = "resnet18"

[schedule]
epochs = 1
"#;

#[test]
fn images_take_no_more_memory_or_time_than_their_limits() {
    let bench = Bench::new();
    bench.oncospec(&["data", "synth", "--kind", "busi", "--out", "busi", "--cases", "30"]).with(0);
    bench.file("hostile.toml", CLASSIFY);
    for (name, bytes, expected) in images() {
        let path = bench.file(&format!("busi/benign/{name}"), bytes);
        let said = confined(&bench, &["check", "hostile.toml"]);
        if expected.is_empty() {
            assert_eq!(said.code, Some(0), "{name}: {}", said.err);
        } else {
            said.with(2).telling(&[name, expected]);
        }
        fs::remove_file(path).unwrap();
    }
}

#[test]
fn masks_take_no_more_memory_or_time_than_their_limits() {
    let bench = Bench::new();
    bench.oncospec(&["data", "synth", "--kind", "busi", "--out", "busi", "--cases", "30"]).with(0);
    let spec = CLASSIFY.replace("kind = \"classify\"", "kind = \"segment\"");
    bench.file(
        "hostile.toml",
        spec.replace("\"resnet18\"", "\"unet\"\nencoder = { kind = \"plain\", filters = [4, 8] }"),
    );
    RgbImage::new(100, 100).save(bench.path().join("busi/benign/case.png")).unwrap();
    for (name, bytes, expected) in images() {
        if name.ends_with(".png") && !expected.is_empty() {
            bench.file("busi/benign/case_mask.png", bytes);
            let said = confined(&bench, &["check", "hostile.toml"]);
            said.with(2).telling(&["case_mask.png", expected]);
        }
    }
}

/// Sets that make the tiny spec one of a table.
fn of_table(table: &str) -> [String; 4] {
    let data = format!(
        "dataset={{kind=\"table\", root=\"data\", table=\"{table}\", masks=[\"mask\"], image-size=32}}"
    );
    ["--set".into(), data, "--set".into(), "dataset.split={kind=\"holdout\"}".into()]
}

#[track_caller]
fn check_table(bench: &Bench, table: &str) -> Said {
    let sets = of_table(table);
    let arguments: Vec<&str> =
        ["check", "tiny.toml"].into_iter().chain(sets.iter().map(String::as_str)).collect();
    confined(bench, &arguments)
}

#[test]
fn cells_of_a_table_and_links_among_images_reach_no_file_but_images() {
    let bench = Bench::new();
    bench.tiny("");
    let up = "../".repeat(20);
    bench.file(
        "data/cases.csv",
        format!("image,mask\n{up}etc/passwd,/etc/passwd\nlink.png,link.png\nloop/a.png,/dev/zero\n/proc/self/environ,x\n"),
    );
    symlink("/etc/passwd", bench.path().join("data/link.png")).unwrap();
    symlink(".", bench.path().join("data/loop")).unwrap();
    let said = check_table(&bench, "cases.csv").with(2);
    assert!(!said.err.contains("root:") && !said.err.contains("PATH="), "{}", said.err);
    let said = said.telling(&["files that the table names and that are not there"]);
    assert!(said.err.contains("/dev/zero"), "a device is no file: {}", said.err);
    let rows = "image,mask\nlink.png,link.png\n";
    bench.file("data/cases.csv", rows);
    let said = check_table(&bench, "cases.csv").with(2);
    assert!(!said.err.contains("root:"), "{}", said.err);
    said.telling(&["link.png: not an image that is read here"]);
}

#[test]
fn tables_that_are_wide_or_long_beyond_all_measure_are_refused() {
    let bench = Bench::new();
    bench.tiny("");
    let names: Vec<String> = (0..300_000).map(|at| format!("c{at}")).collect();
    let header = format!("{},c7", names.join(","));
    bench.file("data/cases.csv", format!("{header}\n{}\n", ",".repeat(300_000)));
    check_table(&bench, "cases.csv").with(2).telling(&["several columns `c7`"]);
    let long = fs::File::create(bench.path().join("data/long.csv")).unwrap();
    long.set_len(1 << 41).unwrap();
    check_table(&bench, "long.csv").with(2).telling(&["long.csv", "limit of 1024 MiB"]);
    // A row that names no file, often: names that come near are not looked for without end.
    let many: String = (0..4_000).map(|at| format!("img/{at}.png,x\n")).collect();
    bench.file("data/cases.csv", format!("image,mask\n{many}"));
    for at in 0..2_000 {
        bench.file(&format!("data/img/{}{at}", "long".repeat(40)), "");
    }
    check_table(&bench, "cases.csv").with(2).telling(&["cases.csv:2: img/0.png"]);
}

/// Values of Thrift's compact protocol.
mod thrift {
    pub(super) const INT: u8 = 5;
    pub(super) const LONG: u8 = 6;
    pub(super) const TEXT: u8 = 8;
    pub(super) const LIST: u8 = 9;
    pub(super) const STRUCT: u8 = 12;

    pub(super) fn unsigned(mut number: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        while number >= 0x80 {
            bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        bytes.push(number as u8);
        bytes
    }

    pub(super) fn signed(number: i64) -> Vec<u8> {
        unsigned(((number << 1) ^ (number >> 63)) as u64)
    }

    pub(super) fn text(text: &str) -> Vec<u8> {
        [unsigned(text.len() as u64), text.as_bytes().to_vec()].concat()
    }

    /// As many elements as are said, which need not be there.
    pub(super) fn list(kind: u8, count: u64, elements: &[u8]) -> Vec<u8> {
        [vec![0xf0 | kind], unsigned(count), elements.to_vec()].concat()
    }

    /// Fields by their numbers, which rise.
    pub(super) fn fields(of: &[(u8, u8, Vec<u8>)]) -> Vec<u8> {
        let (mut bytes, mut last) = (Vec::new(), 0);
        for (id, kind, value) in of {
            bytes.push(((id - last) << 4) | kind);
            bytes.extend(value);
            last = *id;
        }
        bytes.push(0);
        bytes
    }
}

use thrift::{INT, LIST, STRUCT, TEXT, fields, list, signed, unsigned};

/// A Parquet file: its pages, and a header with a schema, a number of rows and groups of them.
fn parquet(pages: &[u8], schema: Vec<u8>, rows: i64, groups: Vec<u8>) -> Vec<u8> {
    let header = fields(&[
        (1, INT, signed(1)),
        (2, LIST, schema),
        (3, thrift::LONG, signed(rows)),
        (4, LIST, groups),
    ]);
    let length = (header.len() as u32).to_le_bytes();
    [b"PAR1", pages, &header, &length, b"PAR1"].concat()
}

/// A schema of one required column of texts.
fn one_column() -> Vec<u8> {
    let root = fields(&[(4, TEXT, thrift::text("schema")), (5, INT, signed(1))]);
    let column = [
        (1, INT, signed(6)),
        (3, INT, signed(0)),
        (4, TEXT, thrift::text("image")),
        (6, INT, signed(0)),
    ];
    list(STRUCT, 2, &[root, fields(&column)].concat())
}

/// One group of a column whose pages are right behind the beginning.
fn one_group(pages: &[u8], rows: i64) -> Vec<u8> {
    let column = fields(&[
        (1, INT, signed(6)),
        (2, LIST, list(INT, 1, &signed(8))),
        (3, LIST, list(TEXT, 1, &thrift::text("image"))),
        (4, INT, signed(0)),
        (5, thrift::LONG, signed(rows)),
        (6, thrift::LONG, signed(pages.len() as i64)),
        (7, thrift::LONG, signed(pages.len() as i64)),
        (9, thrift::LONG, signed(4)),
        (11, thrift::LONG, signed(4)),
    ]);
    let chunk = fields(&[(2, thrift::LONG, signed(4)), (3, STRUCT, column)]);
    let group = fields(&[
        (1, LIST, list(STRUCT, 1, &chunk)),
        (2, thrift::LONG, signed(pages.len() as i64)),
        (3, thrift::LONG, signed(rows)),
    ]);
    list(STRUCT, 1, &group)
}

/// A dictionary of one text, of which so many bytes and values are said to be there.
fn dictionary(text: &str, unpacked: i64, values: i64) -> Vec<u8> {
    let data = [&(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat();
    let header = fields(&[
        (1, INT, signed(2)),
        (2, INT, signed(unpacked)),
        (3, INT, signed(data.len() as i64)),
        (7, STRUCT, fields(&[(1, INT, signed(values)), (2, INT, signed(0))])),
    ]);
    [header, data].concat()
}

/// A page of so many rows with the first text of the dictionary, in one run.
fn run_of(rows: i64) -> Vec<u8> {
    let data = [vec![1], unsigned((rows as u64) << 1), vec![0]].concat();
    let about =
        [(1, INT, signed(rows)), (2, INT, signed(8)), (3, INT, signed(3)), (4, INT, signed(3))];
    let length = data.len() as i64;
    let header = fields(&[
        (1, INT, signed(0)),
        (2, INT, signed(length)),
        (3, INT, signed(length)),
        (5, STRUCT, fields(&about)),
    ]);
    [header, data].concat()
}

/// A file of one column with a text in all rows.
fn all_alike(text: &str, rows: i64) -> Vec<u8> {
    let dictionary = dictionary(text, 4 + text.len() as i64, 1);
    let pages = [dictionary, run_of(rows)].concat();
    parquet(&pages, one_column(), rows, one_group(&pages, rows))
}

/// Parquet files, and what is said of each.
fn parquets() -> Vec<(Vec<u8>, &'static str)> {
    let deep = {
        let group =
            fields(&[(3, INT, signed(1)), (4, TEXT, thrift::text("a")), (5, INT, signed(1))]);
        let leaf =
            fields(&[(1, INT, signed(6)), (3, INT, signed(0)), (4, TEXT, thrift::text("a"))]);
        list(STRUCT, 200_001, &[group.repeat(200_000), leaf].concat())
    };
    let nothing = || list(STRUCT, 0, &[]);
    let of_dictionary = |unpacked: i64, values: i64| {
        let pages = [dictionary("a", unpacked, values), run_of(3)].concat();
        parquet(&pages, one_column(), 3, one_group(&pages, 3))
    };
    vec![
        (parquet(&[], deep, 0, nothing()), "columns within columns"),
        (parquet(&[], list(STRUCT, i32::MAX as u64, &[]), 0, nothing()), "header is damaged"),
        (parquet(&[], one_column(), 0, list(STRUCT, i32::MAX as u64, &[])), "header is damaged"),
        (of_dictionary(i32::MAX.into(), 1), "bytes in its pages"),
        (of_dictionary(5, i32::MAX.into()), "header is damaged"),
        (all_alike("a", 1 << 30), "cells, more than"),
        (all_alike(&"a".repeat(1 << 20), 1 << 10), "bytes of texts"),
        (b"PAR1\xff\xff\xff\x7fPAR1".to_vec(), "its header takes 2147483647 bytes"),
    ]
}

#[test]
fn tables_in_parquet_declare_no_more_than_they_may() {
    let bench = Bench::new();
    bench.tiny("");
    bench.file("data/cases.parquet", all_alike("a.png", 3));
    let said = check_table(&bench, "cases.parquet").with(2);
    said.telling(&["no column `mask`", "the nearest are `image`"]);
    for (bytes, expected) in parquets() {
        bench.file("data/cases.parquet", bytes);
        check_table(&bench, "cases.parquet").with(2).telling(&["cases.parquet", expected]);
    }
}

#[test]
fn split_lists_lead_to_no_file() {
    let bench = Bench::new();
    bench.tiny("");
    bench.file("train.txt", format!("{}etc/passwd\n/etc/passwd\n../train.txt\n", "../".repeat(9)));
    bench.file("valid.txt", "phantom 0\n");
    let lists = "dataset.split={kind=\"file\", train=\"train.txt\", valid=\"valid.txt\"}";
    let check = || confined(&bench, &["check", "tiny.toml", "--set", lists]).with(2);
    check().telling(&["train.txt:1", "names no case of the data set"]);
    fs::remove_file(bench.path().join("train.txt")).unwrap();
    symlink("/dev/zero", bench.path().join("train.txt")).unwrap();
    check().telling(&["train.txt", "not a file"]);
    let deep = format!("{{\"train\": {}", "[".repeat(1_000_000));
    bench.file("lists.json", deep);
    let lists = "dataset.split={kind=\"file\", path=\"lists.json\"}";
    confined(&bench, &["check", "tiny.toml", "--set", lists]).with(2).telling(&["lists.json"]);
}

#[test]
fn specs_and_suites_are_neither_deep_nor_endless() {
    let bench = Bench::new();
    let tiny = fs::read_to_string(bench.tiny("")).unwrap();
    let deep = "a.".repeat(200_000);
    for (text, expected) in [
        (format!("x = {}", "[".repeat(500_000)), "nested more than 32 levels deep"),
        (format!("x = {}", "{a=".repeat(300_000)), "nested more than 32 levels deep"),
        (format!("{deep}a = 1"), "nested more than 32 levels deep"),
        (format!("[{deep}a]"), "nested more than 32 levels deep"),
        (tiny.replace("\"tiny\"", "\"../../out\""), "name"),
        (format!("{tiny}#{}", "x".repeat(1 << 20)), "larger than 1 MiB"),
        ("extends = 'spec.toml'".into(), "goes in a circle"),
        ("extends = '/dev/zero'".into(), "/dev/zero"),
    ] {
        bench.file("spec.toml", text);
        confined(&bench, &["check", "spec.toml"]).with(2).telling(&[expected]);
    }
    for at in 0..40 {
        bench.file(&format!("chain{at}.toml"), format!("extends = 'chain{}.toml'", at + 1));
    }
    confined(&bench, &["check", "chain0.toml"]).with(2).telling(&["more than 16 files"]);
    bench.file("suite.toml", "name = 's'\ntitle = 's'\nexperiments = ['suite.toml']");
    confined(&bench, &["check", "suite.toml"]).with(2).telling(&["suite.toml", "experiments"]);
    let set = format!("dataset={}", "[".repeat(100_000));
    confined(&bench, &["check", "tiny.toml", "--set", &set]).with(2).telling(&["nested more than"]);
}

/// A zip archive with these files.
fn zipped(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let deflated = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    for (name, bytes) in files {
        zip.start_file(*name, deflated).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// A file of safetensors with a header.
fn safetensors(length: u64, header: &str, numbers: &[u8]) -> Vec<u8> {
    [&length.to_le_bytes(), header.as_bytes(), numbers].concat()
}

/// A tar archive of one file that has no bytes and is said to have a tebibyte, as GNU tar writes files with holes.
fn sparse_tar() -> Vec<u8> {
    let mut header = [0; 512];
    let mut put =
        |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, "storages");
    put(100, "0000644");
    put(124, "00000000000");
    put(148, "        ");
    put(156, "S");
    put(257, "ustar  ");
    // Where there are no bytes, how many, and how long the whole is.
    put(386, "17777777777700000000000000");
    put(483, "177777777777");
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    [&header[..], &[0; 1024]].concat()
}

#[test]
fn files_of_weights_run_nothing_and_are_no_larger_than_they_are() {
    let bench = Bench::new();
    bench.tiny("");
    let code = b"cposix\nsystem\n(S'touch pwned'\ntR.";
    let nested = [b"\x80\x02]".as_slice(), &[0x85; 200_000], b"."].concat();
    let tensor = |shape: &str, offsets: &str| {
        let header =
            format!(r#"{{"a":{{"dtype":"F32","shape":{shape},"data_offsets":{offsets}}}}}"#);
        safetensors(header.len() as u64, &header, &[0; 8])
    };
    let overlapping = r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#;
    let deep = format!("{{\"a\":{}", "[".repeat(100_000));
    for (name, bytes, expected) in [
        ("code.pth", code.to_vec(), "code.pth"),
        ("code.pt", zipped(&[("m/data.pkl", code)]), "code.pt"),
        ("bomb.pth", zipped(&[("m/data.pkl", &vec![b']'; 64 << 20])]), "limit of 4194304"),
        ("deep.pth", zipped(&[("m/data.pkl", &nested)]), "deep.pth"),
        ("long.pth", zipped(&[("m/data.pkl", b"\x80\x02\x8b\xff\xff\xff\xff.")]), "long.pth"),
        (
            "up.pth",
            zipped(&[("../../up/data.pkl", b"\x80\x02}."), ("../../pwned", b"x")]),
            "holds no tensors",
        ),
        ("sparse.pth", sparse_tar(), "neither an archive"),
        ("length.safetensors", safetensors(1 << 60, "{}", &[]), "length.safetensors"),
        ("deep.safetensors", safetensors(deep.len() as u64, &deep, &[]), "deep.safetensors"),
        (
            "over.safetensors",
            tensor("[4294967296,4294967296,4294967296]", "[0,8]"),
            "over.safetensors",
        ),
        ("outside.safetensors", tensor("[1000000]", "[0,4000000]"), "outside.safetensors"),
        (
            "two.safetensors",
            safetensors(overlapping.len() as u64, overlapping, &[0; 8]),
            "two.safetensors",
        ),
    ] {
        bench.file(name, bytes);
        let weights = format!("model.weights={{path=\"{name}\"}}");
        confined(&bench, &["check", "tiny.toml", "--set", &weights]).with(2).telling(&[expected]);
        fs::remove_file(bench.path().join(name)).unwrap();
    }
    let found = |folder: &Path| folder.join("pwned").exists();
    assert!(!bench.path().ancestors().any(found), "something was run or unpacked");
}

#[test]
fn an_archive_of_weights_is_unpacked_no_further_than_its_file_is_long() {
    let bench = Bench::new();
    let entry = WeightsName::EfficientnetLite0Imagenet.entry();
    let member = entry.archive.unwrap().member;
    let packed = Path::new(entry.file).with_extension("archive");
    let bytes = zipped(&[(member, &vec![0; 128 << 20])]);
    bench.file(&format!("out/{}", packed.display()), bytes);
    let get = ["weights", "get", "efficientnet-lite0-imagenet", "--out", "out"];
    confined(&bench, &get).with(1).telling(&[member, "more than the"]);
    assert_eq!(fs::read_dir(bench.path().join("out")).unwrap().count(), 0);
    // What is written in place is not written through a link.
    let mine = bench.file("mine", "mine");
    let part = bench.path().join(format!("out/{}.part", entry.file));
    symlink(&mine, &part).unwrap();
    bench.file(&format!("out/{}", packed.display()), zipped(&[(member, b"short")]));
    confined(&bench, &get).with(1).telling(&["it is a link to"]);
    assert_eq!(fs::read_to_string(mine).unwrap(), "mine");
}

/// A run of a stranger, and what may be changed in it.
struct Given {
    bench: Bench,
    run: PathBuf,
}

impl Given {
    fn new(more: &str) -> Self {
        let bench = Bench::new();
        bench.tiny(more);
        bench
            .oncospec(&["run", "tiny.toml", "--set", "schedule.epochs=1", "--device", "cpu"])
            .with(0);
        let run = bench.only_run("runs", "tiny");
        Self { bench, run }
    }

    /// Puts a file into the run, as its maker would, with its checksum.
    fn put(&self, name: &str, bytes: &[u8]) {
        fs::write(self.run.join(name), bytes).unwrap();
        let mut status = json_of(&self.run.join("status.json"));
        status["files"][name] = json!([sha256(bytes)]);
        fs::write(self.run.join("status.json"), status.to_string()).unwrap();
    }

    fn report(&self) -> Said {
        confined(&self.bench, &["report", "tiny", "-o", "page.html"])
    }
}

#[test]
fn a_run_of_a_stranger_takes_no_more_memory_than_its_limits() {
    let given = Given::new("");
    given.report().with(0);
    let whole = |name: &str| fs::read(given.run.join(name)).unwrap();
    let cases = whole("cases.parquet");
    for (bytes, expected) in parquets() {
        given.put("cases.parquet", &bytes);
        given.report().with(1).telling(&["cases.parquet", expected]);
    }
    given.put("cases.parquet", &cases);

    let summary = whole("summary.json");
    given.put("summary.json", "[".repeat(1_000_000).as_bytes());
    given.report().with(1).telling(&["summary.json"]);
    given.put("summary.json", &summary);

    // A mask of which a few bytes become 484 megapixels.
    let pictured = whole("pictured.parquet");
    let mut frame = ParquetReader::new(Cursor::new(&pictured)).finish().unwrap();
    let bomb = png((22_000, 22_000), &[], zeros(22_000 * 22_001));
    let masks = vec![bomb.as_slice(); frame.height()];
    frame.with_column(Series::new("truth".into(), masks).into()).unwrap();
    let mut bytes = Vec::new();
    ParquetWriter::new(&mut bytes).finish(&mut frame).unwrap();
    given.put("pictured.parquet", &bytes);
    given.report().with(1).telling(&["22000x22000", "limit"]);
    given.put("pictured.parquet", &pictured);
    given.report().with(0);
}

#[test]
fn a_run_of_a_stranger_shows_and_changes_nothing_outside_of_it() {
    let given = Given::new("");
    let Given { bench, run } = &given;
    let secret = bench.file("secret", "[a]\nkey = \"my own\"\n");
    let status = fs::read(run.join("status.json")).unwrap();

    // Files that it lists elsewhere.
    let mut listing = json_of(&run.join("status.json"));
    listing["files"]["../../../secret"] = json!(["0"]);
    fs::write(run.join("status.json"), listing.to_string()).unwrap();
    given.report().with(1).telling(&["../../../secret", "leads out of the run directory"]);
    fs::write(run.join("status.json"), &status).unwrap();

    // A picture elsewhere, by its name and by a link.
    let pictures = fs::read(run.join("pictures/pictures.json")).unwrap();
    GrayImage::new(3, 3).save(bench.path().join("own.png")).unwrap();
    let named = |name: &str| {
        let mut all: Value = serde_json::from_slice(&pictures).unwrap();
        all[0]["images"]["image"] = json!({ "file": name, "alt": "" });
        given.put("pictures/pictures.json", all.to_string().as_bytes());
        given.report().with(0);
        fs::read_to_string(bench.path().join("page.html")).unwrap()
    };
    assert!(named("../../../../own.png").contains("is not a plain file name"));
    symlink(bench.path().join("own.png"), run.join("pictures/999-image.jpg")).unwrap();
    assert!(named("999-image.jpg").contains("it is a link to"));
    fs::remove_file(run.join("pictures/999-image.jpg")).unwrap();
    given.put("pictures/pictures.json", &pictures);

    // Text elsewhere, in a run without checksums.
    let spec = fs::read(run.join("spec.toml")).unwrap();
    let mut unchecked = json_of(&run.join("status.json"));
    unchecked.as_object_mut().unwrap().remove("files");
    fs::write(run.join("status.json"), unchecked.to_string()).unwrap();
    fs::remove_file(run.join("spec.toml")).unwrap();
    symlink(&secret, run.join("spec.toml")).unwrap();
    given.report().with(1).telling(&["spec.toml", "it is a link to"]);
    fs::remove_file(run.join("spec.toml")).unwrap();
    fs::write(run.join("spec.toml"), spec).unwrap();

    // Files that are written in place: the lock, the ledger of readings, that of a folder of pages.
    let evaluate = ["evaluate", "tiny", "--split", "test", "--device", "cpu"];
    for link in [run.join("lock"), run.with_file_name("test-readings.jsonl")] {
        let _ = fs::remove_file(&link);
        symlink(&secret, &link).unwrap();
        confined(bench, &evaluate).with(1).telling(&["it is a link to"]);
        fs::remove_file(link).unwrap();
    }
    fs::create_dir(bench.path().join("pages")).unwrap();
    symlink(&secret, bench.path().join("pages/.oncospec-files.jsonl")).unwrap();
    let report = ["report", "tiny", "-o", "pages/page.html"];
    confined(bench, &report).with(1).telling(&["it is a link to"]);
    assert_eq!(fs::read_to_string(secret).unwrap(), "[a]\nkey = \"my own\"\n");
}

/// Names that would be something else: markup, the end of an attribute or script, a link, a cell, code, an escape that clears
/// the screen or names the window, another line, letters that turn the rest.
const NAMES: [&str; 10] = [
    "<img src=x onerror=alert(1)>",
    "\"><svg onload=alert(1)>",
    "</script><script>alert(1)",
    "[a](javascript:alert(1))",
    "`a` | b",
    "\u{1b}[2J\u{1b}]0;title\u{7}",
    "a\nb\r",
    "\u{202e}gnp.exe\u{2066}",
    "'+alert(1)+'",
    "&lt;b&gt;${x}{{ 7*7 }}",
];

/// Checks that none of the names is markup in a page.
#[track_caller]
fn is_inert_page(html: &str) {
    is_plain(html);
    for live in ["<img src=x", "<svg onload", "<script>alert", "href=\"javascript:"] {
        assert!(!html.contains(live), "{live} in the page");
    }
}

/// Markdown without its code.
fn without_code(markdown: &str) -> String {
    let (mut plain, mut rest) = (String::new(), markdown);
    while let Some(start) = rest.find('`') {
        plain += &rest[..start];
        let ticks = rest[start..].len() - rest[start..].trim_start_matches('`').len();
        let fence = "`".repeat(ticks);
        let inside = &rest[start + ticks..];
        let mut ends = inside.match_indices(&fence).map(|(at, _)| at);
        let alone =
            |at: &usize| !inside[..*at].ends_with('`') && !inside[at + ticks..].starts_with('`');
        let end = ends.find(alone).expect("code that does not end");
        rest = &inside[end + ticks..];
    }
    plain + rest
}

#[track_caller]
fn is_inert_markdown(markdown: &str) {
    is_plain(markdown);
    let plain = without_code(markdown);
    for live in ["<img", "<svg", "<script", "](", "javascript:"] {
        assert!(!plain.contains(live), "{live} in:\n{plain}");
    }
}

#[track_caller]
fn is_inert_xml(xml: &str) {
    is_plain(xml);
    for live in ["<img", "<svg", "<script", "\"><"] {
        assert!(!xml.contains(live), "{live} in:\n{xml}");
    }
}

#[test]
fn names_of_files_classes_and_columns_are_inert_wherever_they_are_printed() {
    let bench = Bench::new();
    let mut rows = String::from("image,mask,kind,\"<b>device</b>|`x`\"\n");
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let class = |at: usize| ["<img src=x onerror=alert(1)>", "`a` | b\u{202e}"][at % 2];
    for at in 0..30_u32 {
        // No name of a file has a slash, and lines of a table end with either character.
        let name = NAMES[at as usize % NAMES.len()].replace('/', "-").replace('\r', "");
        let (image, mask) = (format!("{name} {at}.png"), format!("{at}.png"));
        let inside = |x: u32, y: u32| x.abs_diff(10 + at % 9) + y.abs_diff(12 + at % 7) < 8;
        let noise = |x: u32, y: u32| (x * 97 + y * 31 + at * 53) % 90;
        fs::create_dir_all(bench.path().join("data/masks")).unwrap();
        let gray = GrayImage::from_fn(32, 32, |x, y| {
            image::Luma([(noise(x, y) + if inside(x, y) { 10 } else { 120 }) as u8])
        });
        gray.save(bench.path().join("data").join(&image)).unwrap();
        let truth = GrayImage::from_fn(32, 32, |x, y| image::Luma([255 * u8::from(inside(x, y))]));
        truth.save(bench.path().join("data/masks").join(&mask)).unwrap();
        let device = quoted(["x<y>", "\u{1b}[2J"][at as usize % 2]);
        rows +=
            &format!("{},masks/{mask},{},{device}\n", quoted(&image), quoted(class(at as usize)));
    }
    bench.file("data/cases.csv", rows);
    let description = "\"\"\"<img src=x onerror=alert(1)> `a` | b\"\"\"";
    bench.file(
        "specs/a.toml",
        format!(
            "name = 'a'\ndescription = {description}\n[dataset]\nkind = 'table'\nroot = '../data'\ntable = 'cases.csv'\n\
             masks = ['mask']\nclass = 'kind'\nmetadata = ['<b>device</b>|`x`']\nimage-size = 32\nchannels = 'gray'\n\
             split = {{ kind = 'holdout', fractions = {{ train = 0.5, valid = 0.25, test = 0.25 }}, group = 'none' }}\n\
             [model]\nkind = 'unet'\nencoder = {{ kind = 'plain', filters = [4, 8] }}\n[schedule]\nepochs = 1\n\
             [evaluation]\nby = [{{ column = '<b>device</b>|`x`' }}]\n[gate]\n'test.dice.mean' = {{ at-least = 1.1 }}\n"
        ),
    );
    let ci = [
        "ci",
        "specs",
        "--device",
        "cpu",
        "--summary",
        "sum.md",
        "--junit",
        "all.xml",
        "--overwrite",
    ];
    confined(&bench, &[&ci[..], &["-o", "page.html"]].concat()).with(1);
    let written = |name: &str| fs::read_to_string(bench.path().join(name)).unwrap();
    is_inert_page(&written("page.html"));
    is_inert_markdown(&written("sum.md"));
    is_inert_xml(&written("all.xml"));
    assert!(
        written("page.html").contains("&lt;img src&#x3d;x")
            || written("page.html").contains("&lt;img src=x")
    );

    // Files that changed are named with the reason for which a run is made.
    for entry in fs::read_dir(bench.path().join("data")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() && path.extension().is_some_and(|ending| ending == "png") {
            let mut image = image::open(&path).unwrap().to_luma8();
            image.put_pixel(0, 0, image::Luma([7]));
            image.save(path).unwrap();
        }
    }
    let due = confined(&bench, &["ci", "specs", "--device", "cpu", "--dry-run"]).with(0);
    assert!(due.out.contains("data"), "{}", due.out);
    confined(&bench, &ci).with(1);
    is_inert_markdown(&written("sum.md"));
    is_inert_xml(&written("all.xml"));
    let found = confined(&bench, &["check", "specs/a.toml", "--json"]).with(0);
    serde_json::from_str::<Value>(&found.out).unwrap();
    confined(&bench, &["data", "inspect", "data"]);
}

/// Adds names to the texts of a value under these keys.
fn named(value: &mut Value, keys: &[&str], at: &mut usize) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields.iter_mut() {
                let texts: Vec<&mut Value> = match value {
                    Value::String(_) => vec![value],
                    Value::Array(all) if all.iter().all(Value::is_string) => {
                        all.iter_mut().collect()
                    }
                    other => {
                        named(other, keys, at);
                        continue;
                    }
                };
                for text in texts.into_iter().filter(|_| keys.contains(&key.as_str())) {
                    *text =
                        format!("{}{}", text.as_str().unwrap(), NAMES[*at % NAMES.len()]).into();
                    *at += 1;
                }
            }
        }
        Value::Array(all) => all.iter_mut().for_each(|value| named(value, keys, at)),
        _ => {}
    }
}

#[test]
fn texts_of_a_run_of_a_stranger_are_inert_wherever_they_are_printed() {
    let given = Given::new("[gate]\n\"test.dice.mean\" = { at-least = 0.0 }\n");
    let Given { bench, run } = &given;
    let keys = [
        "experiment",
        "description",
        "dataset",
        "model",
        "notes",
        "overrides",
        "what",
        "names",
        "remedy",
        "case",
        "label",
        "alt",
        "command",
        "again",
        "spec_path",
        "commit",
        "device",
        "cpu",
        "os",
        "chosen",
        "reduction",
        "empty",
        "resolution",
        "interval",
        "loss",
        "layer",
        "predicted",
        "started",
        "finished",
        "group_key",
    ];
    let mut at = 0;
    for name in [
        "summary.json",
        "provenance.json",
        "pictures/pictures.json",
        "pictures/film.json",
        "pictures/data.json",
    ] {
        let mut value = json_of(&run.join(name));
        named(&mut value, &keys, &mut at);
        given.put(name, value.to_string().as_bytes());
    }
    assert!(at > 30, "{at} texts");
    let mut status = json_of(&run.join("status.json"));
    status["why"] = NAMES.concat().into();
    fs::write(run.join("status.json"), status.to_string()).unwrap();
    confined(bench, &["report", "runs", "-o", "page.html"]).with(0);
    is_inert_page(&fs::read_to_string(bench.path().join("page.html")).unwrap());
    confined(bench, &["report", "runs", "--index", "-o", "out/index.html"]).with(0);
    is_inert_page(&fs::read_to_string(bench.path().join("out/index.html")).unwrap());
    for entry in fs::read_dir(bench.path().join("out/index-pages")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "html") {
            is_inert_page(&fs::read_to_string(path).unwrap());
        }
    }
    confined(bench, &["list"]).with(0);
    let listed = confined(bench, &["list", "--json"]).with(0).out;
    serde_json::from_str::<Value>(&listed).unwrap();
    confined(bench, &["compare", "runs/tiny", "runs/tiny"]);
    // Why it ended is said where its network is used all the same.
    status["state"] = "failed".into();
    fs::write(run.join("status.json"), status.to_string()).unwrap();
    let evaluate = ["evaluate", "tiny", "--split", "valid", "--device", "cpu"];
    confined(bench, &evaluate).with(0).telling(&["is not finished", "\\u{202e}gnp.exe"]);
}
