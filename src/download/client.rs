//! Asks a server for a file, or for the rest of it. Proxies are those of the environment: `HTTPS_PROXY`, `HTTP_PROXY`,
//! `ALL_PROXY`, `NO_PROXY`; so are certificates, where `SSL_CERT_FILE` names some.

use std::io::{ErrorKind, Read};
use std::path::Path;
use std::time::Duration;

use ureq::http::{HeaderMap, Response, StatusCode, header};
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body};

use super::part::PartialFile;
use crate::error::{Error, Result};
use crate::progress::Counting;

/// Bytes of a MiB.
pub const MIB: f64 = (1 << 20) as f64;

/// What asks servers for files.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    /// How long a server may take to accept a connection, to answer, and from one piece to the next.
    pub patience: Duration,
    /// How long to wait after an attempt that brought nothing; twice that after the second.
    pub pause: Duration,
}

/// Why an attempt ended before the file was whole.
pub(super) enum Ended {
    /// The connection broke: another attempt may go on.
    Cut(String),
    /// Another attempt would end alike.
    Refused(String),
    /// The disk.
    Disk(Error),
}

impl From<Error> for Ended {
    fn from(error: Error) -> Self {
        Self::Disk(error)
    }
}

/// Where in a file an answer begins.
enum Answer {
    /// At byte `.0`, and the whole file has `.1` bytes, where the server says so.
    From(u64, Option<u64>),
    /// Nothing is missing.
    Whole,
    /// The server has no such part.
    NoSuchPart,
}

impl Client {
    /// Fetches what is missing of a file of at most `limit` bytes.
    pub(super) fn fetch(&self, url: &str, part: &mut PartialFile, limit: u64) -> Result<(), Ended> {
        let mut response = self.ask(url, part.length())?;
        let (start, size) = match answer(&response, part.length())? {
            Answer::From(start, size) => (start, size),
            Answer::Whole => return Ok(()),
            Answer::NoSuchPart => {
                part.cut(0)?;
                response = self.ask(url, 0)?;
                match answer(&response, 0)? {
                    Answer::From(start, size) => (start, size),
                    Answer::Whole | Answer::NoSuchPart => {
                        return Err(Ended::Refused("the server sends no bytes".into()));
                    }
                }
            }
        };
        let too_long = |size: u64| {
            Ended::Refused(format!(
                "the server sends {:.3} MiB or more, and the file has {:.3}",
                size as f64 / MIB,
                limit as f64 / MIB
            ))
        };
        if let Some(size) = size.filter(|&size| size > limit) {
            return Err(too_long(size));
        }
        part.cut(start)?;
        self.receive(response, part, (limit, size.unwrap_or(limit)), too_long)?;
        match size {
            Some(size) if part.length() < size => Err(Ended::Cut(format!(
                "the connection ended after {} of {size} bytes",
                part.length()
            ))),
            _ => Ok(()),
        }
    }

    fn ask(&self, url: &str, from: u64) -> Result<Response<Body>, Ended> {
        let patience = Some(self.patience);
        let certificates = std::env::var_os("SSL_CERT_FILE").filter(|_| is_encrypted(url));
        let roots = certificates.map_or(Ok(RootCerts::WebPki), |file| roots(Path::new(&file)))?;
        let agent: Agent = Agent::config_builder()
            .https_only(is_encrypted(url))
            .tls_config(TlsConfig::builder().root_certs(roots).build())
            .http_status_as_error(false)
            .user_agent(concat!("oncospec/", env!("CARGO_PKG_VERSION")))
            .timeout_resolve(patience)
            .timeout_connect(patience)
            .timeout_send_request(patience)
            .timeout_recv_response(patience)
            .timeout_per_read(patience)
            .build()
            .into();
        let request = agent.get(url);
        let request = match from {
            0 => request,
            from => request.header(header::RANGE, format!("bytes={from}-")),
        };
        request.call().map_err(|error| self.ended(&error))
    }

    /// What an error of the network means.
    fn ended(&self, error: &ureq::Error) -> Ended {
        let nothing = || format!("the server sent nothing for {} s", self.patience.as_secs_f64());
        match error {
            ureq::Error::Timeout(_) => Ended::Cut(nothing()),
            ureq::Error::Io(error) if error.kind() == ErrorKind::TimedOut => Ended::Cut(nothing()),
            ureq::Error::Io(error) if error.kind() == ErrorKind::InvalidData => {
                Ended::Refused(format!(
                    "no encrypted connection ({error}); where a network has certificates of its own, SSL_CERT_FILE must \
                     name their PEM file"
                ))
            }
            ureq::Error::Io(error) => Ended::Cut(format!("the connection failed ({error})")),
            ureq::Error::HostNotFound => Ended::Refused("no server has this name".into()),
            ureq::Error::RequireHttpsOnly(to) => {
                Ended::Refused(format!("the server redirects to {to}, which is not encrypted"))
            }
            error => Ended::Refused(error.to_string()),
        }
    }

    /// Adds what comes to the part, as far as it comes.
    fn receive(
        &self,
        response: Response<Body>,
        part: &mut PartialFile,
        (limit, size): (u64, u64),
        too_long: impl Fn(u64) -> Ended,
    ) -> Result<(), Ended> {
        let mib = |bytes: u64| (bytes as f64 / MIB) as usize;
        let counting = Counting::of("downloading, MiB", mib(size));
        counting.add(mib(part.length()));
        let mut body = response.into_body().into_reader();
        let mut buffer = vec![0; 1 << 16];
        loop {
            let come = match body.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(come) => come,
                Err(error) => return Err(self.ended(&error.into())),
            };
            let before = part.length();
            if before + come as u64 > limit {
                return Err(too_long(before + come as u64));
            }
            part.add(&buffer[..come])?;
            counting.add(mib(part.length()) - mib(before));
        }
    }
}

fn is_encrypted(url: &str) -> bool {
    url.starts_with("https://")
}

/// The certificates of a PEM file.
///
/// # Errors
/// Where it cannot be read or has none.
fn roots(file: &Path) -> Result<RootCerts> {
    let pem = crate::file::read(file).map_err(Error::io(file, "cannot read SSL_CERT_FILE"))?;
    let certificates = parse_pem(&pem).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(certificate),
        _ => None,
    });
    let certificates: Vec<_> = certificates.collect();
    match certificates.is_empty() {
        true => Err(Error::user(format!(
            "{}: SSL_CERT_FILE names it, and it holds no certificate in PEM",
            file.display()
        ))),
        false => Ok(RootCerts::new_with_certs(&certificates)),
    }
}

/// Reads the status and what an answer says of its length.
fn answer(response: &Response<Body>, asked_from: u64) -> Result<Answer, Ended> {
    let headers = response.headers();
    match response.status() {
        StatusCode::OK => Ok(Answer::From(0, length(headers))),
        StatusCode::PARTIAL_CONTENT => match range(headers) {
            Some((start, size)) if start <= asked_from => Ok(Answer::From(start, size)),
            _ => Ok(Answer::NoSuchPart),
        },
        StatusCode::RANGE_NOT_SATISFIABLE if asked_from > 0 => match range(headers) {
            Some((_, Some(size))) if size == asked_from => Ok(Answer::Whole),
            _ => Ok(Answer::NoSuchPart),
        },
        status if status.is_server_error() => {
            Err(Ended::Cut(format!("the server answers {status}")))
        }
        status => Err(Ended::Refused(format!("the server answers {status}"))),
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn length(headers: &HeaderMap) -> Option<u64> {
    text(headers, &header::CONTENT_LENGTH)?.trim().parse().ok()
}

/// First byte and length of the whole file: `bytes 200-999/1000`, or `bytes */1000` of a part that is not there.
fn range(headers: &HeaderMap) -> Option<(u64, Option<u64>)> {
    let said = text(headers, &header::CONTENT_RANGE)?.trim().strip_prefix("bytes ")?;
    let (part, size) = said.split_once('/')?;
    let start = match part {
        "*" => 0,
        part => part.split_once('-')?.0.parse().ok()?,
    };
    Some((start, size.parse().ok()))
}
