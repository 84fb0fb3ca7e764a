//! Requests to the byte: what clients of HTTP libraries would not send, too.

use std::fmt::Write as _;

use anyhow::{Context as _, Result};
use tidegate_integration_tests::Heard;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Bodies longer than this are named in a request's line by their beginning and length.
const SHOWN_BYTES: usize = 400;

/// A request as it goes over the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Path and query, nothing is encoded.
    pub(crate) target: String,
    pub(crate) version: &'static str,
    /// Without `Host`, `Connection` and `Content-Length`, which are added unless they are given.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Option<Vec<u8>>,
}

impl Request {
    pub(crate) fn new(method: &str, target: impl Into<String>) -> Self {
        Self {
            method: method.to_owned(),
            target: target.into(),
            version: "HTTP/1.1",
            headers: Vec::new(),
            body: None,
        }
    }

    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// With a JSON body, and said to be one.
    pub(crate) fn json(self, body: impl Into<Vec<u8>>) -> Self {
        self.header("Content-Type", "application/json").body(body)
    }

    /// What it is called in the recording: everything that is sent, on one line.
    pub(crate) fn line(&self) -> String {
        let mut line = format!("{} {}", self.method, self.target);
        if self.version != "HTTP/1.1" {
            write!(line, " {}", self.version).expect("a string grows");
        }
        for (name, value) in &self.headers {
            write!(line, " -H {name}:{value}").expect("a string grows");
        }
        if let Some(body) = &self.body {
            let shown = &body[..body.len().min(SHOWN_BYTES)];
            line.push_str(" -d ");
            match std::str::from_utf8(shown) {
                Ok(text) => {
                    for char in text.chars() {
                        match char {
                            '\u{feff}' => line.push_str("\\u{feff}"),
                            char if char.is_control() => line.extend(char.escape_default()),
                            char => line.push(char),
                        }
                    }
                }
                Err(_) => write!(line, "{}", shown.escape_ascii()).expect("a string grows"),
            }
            if body.len() > SHOWN_BYTES {
                write!(line, "… ({} bytes)", body.len()).expect("a string grows");
            }
        }
        line
    }

    /// Whether an answer of success means that something has changed.
    pub(crate) fn may_change(&self) -> bool {
        !["GET", "HEAD", "OPTIONS", "TRACE"].contains(&self.method.as_str())
    }

    fn bytes(&self, address: &str, moved: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
        let given = |name: &str| {
            let mut names = self.headers.iter().map(|(given, _)| given);
            names.any(|given| given.eq_ignore_ascii_case(name))
        };
        let mut head = format!("{} {} {}\r\n", self.method, self.target, self.version);
        // `Host:` with the value `-` stands for none.
        if !given("Host") {
            write!(head, "Host: {address}\r\n").expect("a string grows");
        }
        for (name, value) in self.headers.iter().filter(|(_, value)| value != "-") {
            write!(head, "{name}: {value}\r\n").expect("a string grows");
        }
        let body = self.body.as_deref().map(moved);
        let may_have_body = ["POST", "PUT", "PATCH"].contains(&self.method.as_str());
        let has_length = given("Transfer-Encoding") || given("Content-Length");
        if !has_length && (body.is_some() || may_have_body) {
            let length = body.as_ref().map_or(0, Vec::len);
            write!(head, "Content-Length: {length}\r\n").expect("a string grows");
        }
        head.push_str("Connection: close\r\n\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend(body.unwrap_or_default());
        bytes
    }
}

/// A worker that is asked, and the folder of its connectors' files.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// `host:port`.
    pub(crate) address: String,
    pub(crate) folder: String,
}

/// Stands for the folder in requests and answers.
pub(crate) const FOLDER: &str = "/FOLDER";

impl Asked {
    pub(crate) fn new(url: &str, folder: &str) -> Self {
        Self {
            address: url.trim_start_matches("http://").to_owned(),
            folder: folder.to_owned(),
        }
    }

    /// The answer; status 0 if the worker closed the connection without one.
    pub(crate) async fn ask(&self, request: &Request) -> Result<Heard> {
        let moved = |body: &[u8]| match std::str::from_utf8(body) {
            Ok(text) => text.replace(FOLDER, &self.folder).into_bytes(),
            Err(_) => body.to_vec(),
        };
        let what = || request.line();
        let mut stream = TcpStream::connect(&self.address).await?;
        let (mut receive, mut send) = stream.split();
        let bytes = request.bytes(&self.address, moved);
        // A worker that refuses a large body does not read all of it.
        let sent = async { Ok::<_, std::io::Error>(send.write_all(&bytes).await.ok()) };
        let mut answer = Vec::new();
        let heard = async {
            let mut buffer = vec![0; 64 * 1024];
            while !is_complete(&answer, &request.method) {
                match receive.read(&mut buffer).await {
                    Ok(0) | Err(_) => break,
                    Ok(count) => answer.extend_from_slice(&buffer[..count]),
                }
            }
            Ok(())
        };
        tokio::try_join!(sent, heard).with_context(what)?;
        let mut heard = parse(&answer).with_context(what)?;
        heard.body = heard.body.replace(&self.folder, FOLDER);
        Ok(heard)
    }
}

/// Whether the whole answer has come, for servers that leave the connection open.
fn is_complete(answer: &[u8], method: &str) -> bool {
    let Some((head, body)) = split(answer) else {
        return false;
    };
    let length = header(&head, "content-length").and_then(|length| length.parse::<usize>().ok());
    head.contains(" 200 ") && method == "HEAD" || length.is_some_and(|length| body.len() >= length)
}

fn split(answer: &[u8]) -> Option<(String, &[u8])> {
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    Some((head, &answer[end + 4..]))
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    let found = lines.find(|(found, _)| found.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.trim())
}

fn parse(answer: &[u8]) -> Result<Heard> {
    let Some((head, body)) = split(answer) else {
        return Ok(Heard::default());
    };
    let status = head.split(' ').nth(1).context("a status")?.parse()?;
    let chunked = header(&head, "transfer-encoding").is_some_and(|value| value == "chunked");
    let body = if chunked { joined(body) } else { body.to_vec() };
    let body = String::from_utf8_lossy(&body).into_owned();
    let find = |name: &&str| Some(((*name).to_owned(), header(&head, name)?.to_owned()));
    let headers = Heard::HEADERS.iter().filter_map(find).collect();
    Ok(Heard {
        status,
        headers,
        body,
    })
}

/// The content of chunks.
fn joined(mut body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    while let Some(end) = body.windows(2).position(|bytes| bytes == b"\r\n") {
        let size = String::from_utf8_lossy(&body[..end]);
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
        let from = end + 2;
        let Some(chunk) = body
            .get(from..from + size)
            .filter(|chunk| !chunk.is_empty())
        else {
            break;
        };
        out.extend_from_slice(chunk);
        body = body.get(from + size + 2..).unwrap_or_default();
    }
    out
}
