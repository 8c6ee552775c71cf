//! The little of DNS (RFC 1035) that it takes to ask a name server for the addresses of a name.
//!
//! It exists because the resolver of the machine cannot be told whom to ask. It asks over UDP, once for IPv4 and once for IPv6, and takes
//! every address of the answer, whatever names lead there: following aliases is the server's work. Larger answers
//! than [`ANSWER_BYTES_MAX`] are cut off by the server; the addresses that fit are more than a group takes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::timeout;

use super::LookupError;

/// What we take in one datagram: what fits into one packet on every network (DNS flag day 2020).
const ANSWER_BYTES_MAX: u16 = 1_232;
/// After so long a datagram is lost.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(700);
const HEADER_BYTES: usize = 12;
const A: u16 = 1;
const AAAA: u16 = 28;
/// The record that says how much we take (RFC 6891).
const OPT: u16 = 41;
const INTERNET: u16 = 1;
/// Set in an answer.
const IS_ANSWER: u16 = 0x8000;
const RECURSION_DESIRED: u16 = 0x0100;
const CODE_MASK: u16 = 0x000F;

/// What is wrong with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AnswerError {
    /// It ends too early, or refers to what is not there.
    #[error("it is malformed")]
    Malformed,
    /// The server does not know the name, or will not say.
    #[error("it has the response code {0}")]
    Code(u16),
}

/// All addresses of `name`, as `server` says. Cancel safe.
///
/// # Errors
/// When the server cannot be asked, does not know the name, or answers nonsense.
pub(super) async fn ask(server: SocketAddr, name: &str) -> Result<Vec<IpAddr>, LookupError> {
    let (v4, v6) = tokio::join!(ask_for(server, name, A), ask_for(server, name, AAAA));
    match (v4, v6) {
        (Ok(mut v4), Ok(v6)) => {
            v4.extend(v6);
            Ok(v4)
        }
        // A server that knows one kind only is good enough, if there is an address of that kind.
        (Ok(found), Err(_)) | (Err(_), Ok(found)) if !found.is_empty() => Ok(found),
        (Err(error), _) | (_, Err(error)) => Err(error),
    }
}

async fn ask_for(server: SocketAddr, name: &str, kind: u16) -> Result<Vec<IpAddr>, LookupError> {
    let any = match server {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    // A port that nobody can guess, and only the server's answers.
    let socket = UdpSocket::bind((any, 0))
        .await
        .map_err(LookupError::Resolver)?;
    socket
        .connect(server)
        .await
        .map_err(LookupError::Resolver)?;
    let id: u16 = rand::random();
    let question = question(id, name, kind);
    // Whoever asked sets a deadline to this.
    loop {
        socket
            .send(&question)
            .await
            .map_err(LookupError::Resolver)?;
        if let Ok(answered) = timeout(ASK_AGAIN_AFTER, answer(&socket, id, kind)).await {
            return answered;
        }
    }
}

/// The answer to the question with this id; what answers something else, or nothing, is passed over.
async fn answer(socket: &UdpSocket, id: u16, kind: u16) -> Result<Vec<IpAddr>, LookupError> {
    let mut bytes = [0; ANSWER_BYTES_MAX as usize];
    loop {
        let received = socket.recv(&mut bytes).await;
        let length = received.map_err(LookupError::Resolver)?;
        let answer = bytes.get(..length).unwrap_or_default();
        if let Some(found) = read(answer, id, kind) {
            return found.map_err(LookupError::Answer);
        }
    }
}

/// One question. Labels were checked with the settings: none is longer than 63 bytes.
fn question(id: u16, name: &str, kind: u16) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_BYTES + name.len() + 17);
    // One question, no answers, no authorities, one additional record.
    for word in [id, RECURSION_DESIRED, 1, 0, 0, 1] {
        bytes.extend_from_slice(&word.to_be_bytes());
    }
    for label in name.trim_end_matches('.').split('.') {
        let length = u8::try_from(label.len()).unwrap_or_default();
        bytes.push(length);
        bytes.extend_from_slice(label.as_bytes());
    }
    bytes.push(0);
    for word in [kind, INTERNET] {
        bytes.extend_from_slice(&word.to_be_bytes());
    }
    // The root's name, no flags, no data.
    bytes.push(0);
    for word in [OPT, ANSWER_BYTES_MAX, 0, 0, 0] {
        bytes.extend_from_slice(&word.to_be_bytes());
    }
    bytes
}

/// The addresses in an answer to the question with this id; nothing when it is none.
fn read(bytes: &[u8], id: u16, kind: u16) -> Option<Result<Vec<IpAddr>, AnswerError>> {
    let mut reader = Reader(bytes);
    let (of, flags) = (reader.word()?, reader.word()?);
    if of != id || flags & IS_ANSWER == 0 {
        return None;
    }
    match flags & CODE_MASK {
        0 => Some(records(reader, kind).ok_or(AnswerError::Malformed)),
        code => Some(Err(AnswerError::Code(code))),
    }
}

/// The addresses of this kind; nothing when the bytes end before they should. A cut answer has as many as fit.
fn records(mut reader: Reader<'_>, kind: u16) -> Option<Vec<IpAddr>> {
    let (questions, answers) = (reader.word()?, reader.word()?);
    reader.skip(4)?;
    for _ in 0..questions {
        reader.skip_name()?;
        reader.skip(4)?;
    }
    let mut found = Vec::new();
    for _ in 0..answers {
        reader.skip_name()?;
        let (of, class) = (reader.word()?, reader.word()?);
        // How long it is good for is ours to say.
        reader.skip(4)?;
        let length = usize::from(reader.word()?);
        let data = reader.skip(length)?;
        if of == kind && class == INTERNET {
            found.push(address(data)?);
        }
    }
    Some(found)
}

fn address(data: &[u8]) -> Option<IpAddr> {
    match data.len() {
        4 => <[u8; 4]>::try_from(data).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(data).ok().map(IpAddr::from),
        _ => None,
    }
}

/// What is left of a message.
struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    fn skip(&mut self, length: usize) -> Option<&'b [u8]> {
        let (skipped, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(skipped)
    }

    fn word(&mut self) -> Option<u16> {
        let bytes = self.skip(2)?;
        <[u8; 2]>::try_from(bytes).ok().map(u16::from_be_bytes)
    }

    /// A name is labels up to an empty one, or up to a reference to a name before. References are not followed.
    fn skip_name(&mut self) -> Option<()> {
        loop {
            let length = *self.skip(1)?.first()?;
            match length {
                0 => return Some(()),
                1..=63 => drop(self.skip(usize::from(length))?),
                192..=255 => return self.skip(1).map(drop),
                64..=191 => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// An answer to the question for `api.test` of this kind, with these records behind an alias.
    fn message(id: u16, flags: u16, kind: u16, records: &[&[u8]]) -> Vec<u8> {
        let mut bytes = question(id, "api.test", kind);
        bytes.truncate(bytes.len() - 11);
        bytes.splice(2..4, (IS_ANSWER | flags).to_be_bytes());
        let count = u16::try_from(records.len() + 1).unwrap();
        bytes.splice(6..8, count.to_be_bytes());
        bytes.splice(10..12, [0, 0]);
        // api.test is an alias of x.test: type CNAME, with a reference to `test` inside.
        bytes.extend_from_slice(&[0xC0, 12, 0, 5, 0, 1, 0, 0, 0, 9, 0, 4, 1, b'x', 0xC0, 16]);
        for record in records {
            bytes.extend_from_slice(&[0xC0, 38]);
            bytes.extend_from_slice(&kind.to_be_bytes());
            bytes.extend_from_slice(&[0, 1, 0, 0, 0, 9, 0, u8::try_from(record.len()).unwrap()]);
            bytes.extend_from_slice(record);
        }
        bytes
    }

    #[test]
    fn all_addresses_behind_an_alias_are_found() {
        let bytes = message(7, 0, A, &[&[10, 0, 0, 1], &[10, 0, 0, 2]]);
        let wanted = ["10.0.0.1", "10.0.0.2"].map(|text| text.parse().unwrap());

        assert_eq!(read(&bytes, 7, A), Some(Ok(wanted.to_vec())));
        assert_eq!(read(&bytes, 8, A), None, "another's answer");
        let six = message(7, 0, AAAA, &[&Ipv6Addr::LOCALHOST.octets()]);
        let wanted = vec![IpAddr::V6(Ipv6Addr::LOCALHOST)];
        assert_eq!(read(&six, 7, AAAA), Some(Ok(wanted)));
    }

    /// The server does not know the name.
    const NO_SUCH_NAME: u16 = 3;

    #[test]
    fn what_is_no_answer_or_a_bad_one_is_told_apart() {
        let refused = message(7, NO_SUCH_NAME, A, &[]);
        let mut cut = message(7, 0, A, &[&[10, 0, 0, 1]]);
        cut.truncate(cut.len() - 1);

        assert_eq!(read(&question(7, "api.test", A), 7, A), None);
        assert_eq!(read(&refused, 7, A), Some(Err(AnswerError::Code(3))));
        assert_eq!(read(&cut, 7, A), Some(Err(AnswerError::Malformed)));
        let odd = message(7, 0, A, &[&[10, 0, 0]]);
        assert_eq!(read(&odd, 7, A), Some(Err(AnswerError::Malformed)));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut whole = vec![0, 7, 0x80, 0];
            whole.extend(bytes);
            read(&whole, 7, A);
        }
    }
}
