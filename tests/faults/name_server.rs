//! A name server of a row's own, and what makes one process ask it: a `resolv.conf` that only this process sees. Takes root.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::net::UdpSocket;

use crate::background::Background;

/// Where it listens; the port of name servers cannot be chosen.
const ADDRESS: &str = "127.0.0.40";
const PORT: u16 = 53;
const HEADER_BYTES: usize = 12;
const A: u16 = 1;
const AAAA: u16 = 28;
/// Runs a program that sees the first argument in the place of `/etc/resolv.conf`.
const SCRIPT: &str = r#"mount --bind "$0" /etc/resolv.conf && exec "$@""#;

/// The answers to the first, second, … question for the addresses of one family; the last one stays.
pub(crate) type Answers = Vec<Vec<IpAddr>>;

/// Answers until it is dropped.
pub(crate) struct NameServer {
    asked: Arc<Mutex<HashMap<(String, u16), usize>>>,
    _serving: Background,
}

impl NameServer {
    /// A server that knows these names and no others. What ends with `.localhost` is this machine, as some resolvers have it.
    pub(crate) async fn start(names: HashMap<String, Answers>) -> io::Result<Self> {
        let socket = UdpSocket::bind((ADDRESS, PORT)).await?;
        let asked: Arc<Mutex<HashMap<(String, u16), usize>>> = Arc::default();
        let counted = Arc::clone(&asked);
        let serving = Background::start(async move {
            let mut buffer = [0; 512];
            while let Ok((bytes, from)) = socket.recv_from(&mut buffer).await {
                let question = &buffer[..bytes];
                if let Some(answer) = answered(question, &names, &counted) {
                    drop(socket.send_to(&answer, from).await);
                }
            }
        });
        Ok(Self {
            asked,
            _serving: serving,
        })
    }

    /// Begins every name's answers anew.
    pub(crate) fn begin_anew(&self) {
        self.asked.lock().clear();
    }
}

/// What a program has to run within to ask this server, once `folder` holds the settings of its resolver.
pub(crate) fn within(folder: &Path) -> Result<Vec<String>, String> {
    let file = folder.join("resolv.conf");
    let settings = format!("nameserver {ADDRESS}\noptions timeout:1 attempts:2\n");
    std::fs::write(&file, settings).map_err(|error| error.to_string())?;
    let file = file.display().to_string();
    let words = ["unshare", "--mount", "sh", "-c", SCRIPT, &file];
    let tried = Command::new("unshare")
        .args(&words[1..])
        .arg("true")
        .output();
    match tried {
        Ok(output) if output.status.success() => Ok(words.map(str::to_owned).to_vec()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn answered(
    question: &[u8],
    names: &HashMap<String, Answers>,
    asked: &Mutex<HashMap<(String, u16), usize>>,
) -> Option<Vec<u8>> {
    let (name, end) = name_of(question)?;
    let family = u16::from_be_bytes([*question.get(end)?, *question.get(end + 1)?]);
    let found = addresses(&name, family, names, asked);
    let is_known = names.contains_key(&name) || name.ends_with(".localhost");
    let mut answer = question.get(..2)?.to_vec();
    // An answer, with recursion; a name that is not known is no error of the server's.
    answer.extend([0x81, if is_known { 0x80 } else { 0x83 }, 0, 1]);
    answer.extend(u16::try_from(found.len()).ok()?.to_be_bytes());
    answer.extend([0, 0, 0, 0]);
    answer.extend(question.get(HEADER_BYTES..end + 4)?);
    for address in found {
        let octets = match address {
            IpAddr::V4(v4) => v4.octets().to_vec(),
            IpAddr::V6(v6) => v6.octets().to_vec(),
        };
        // The name of the question, its family, the internet, not to be kept.
        answer.extend([0xc0, 0x0c]);
        answer.extend(family.to_be_bytes());
        answer.extend([0, 1, 0, 0, 0, 0]);
        answer.extend(u16::try_from(octets.len()).ok()?.to_be_bytes());
        answer.extend(octets);
    }
    Some(answer)
}

/// The addresses that this question gets, and one more question counted.
fn addresses(
    name: &str,
    family: u16,
    names: &HashMap<String, Answers>,
    asked: &Mutex<HashMap<(String, u16), usize>>,
) -> Vec<IpAddr> {
    let is_of_it = |address: &IpAddr| match family {
        A => address.is_ipv4(),
        AAAA => address.is_ipv6(),
        _ => false,
    };
    if name.ends_with(".localhost") {
        let local = [IpAddr::from([127, 0, 0, 1])];
        return local.into_iter().filter(is_of_it).collect();
    }
    let Some(answers) = names.get(name) else {
        return Vec::new();
    };
    let mut asked = asked.lock();
    let count = asked.entry((name.to_owned(), family)).or_default();
    let answer = answers.get(*count).or_else(|| answers.last());
    *count += 1;
    answer
        .into_iter()
        .flatten()
        .copied()
        .filter(is_of_it)
        .collect()
}

/// The name that is asked for, in lower case, and where it ends.
fn name_of(question: &[u8]) -> Option<(String, usize)> {
    let (mut labels, mut at) = (Vec::new(), HEADER_BYTES);
    loop {
        let length = usize::from(*question.get(at)?);
        at += 1;
        if length == 0 {
            return Some((labels.join("."), at));
        }
        let label = question.get(at..at + length)?;
        labels.push(String::from_utf8_lossy(label).to_ascii_lowercase());
        at += length;
    }
}
