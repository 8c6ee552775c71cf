//! Who sits on a port: turns "address in use" into a sentence that says whom to stop or what to set.

use std::fs;
use std::net::SocketAddr;

/// The name and pid of the process that listens on a port of this machine, as far as this user may see it.
///
/// Read from `/proc/net/tcp` (socket inode of the listener) and `/proc/PID/fd` (who holds that inode), which is what `ss -lptn` does.
pub(crate) fn listener(port: u16) -> Option<(String, u32)> {
    let inode = listening_inode(port)?;
    let wanted = format!("socket:[{inode}]");
    let processes = fs::read_dir("/proc").ok()?.flatten();
    for process in processes {
        let Some(pid) = process
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<u32>().ok())
        else {
            continue;
        };
        let Ok(descriptors) = fs::read_dir(process.path().join("fd")) else {
            continue;
        };
        let holds = |entry: fs::DirEntry| {
            fs::read_link(entry.path()).is_ok_and(|link| link.to_str() == Some(&wanted))
        };
        if descriptors.flatten().any(holds) {
            let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            return Some((name.trim().to_owned(), pid));
        }
    }
    None
}

/// The sentence for an address that is taken: "Port 8080 is used by java (pid 812); set SALLYPORT_HTTP_LISTEN".
pub(crate) fn taken(address: SocketAddr, variable: &str) -> String {
    let port = address.port();
    let owner = owner(port);
    format!("Port {port} is used by {owner}; stop it or set {variable} to another address.")
}

/// The same where it is not known which variable set the address.
pub(crate) fn in_use(address: SocketAddr) -> String {
    let owner = owner(address.port());
    format!("{address} is used by {owner}; stop it or configure another address.")
}

fn owner(port: u16) -> String {
    match listener(port) {
        Some((name, pid)) => format!("{name} (pid {pid})"),
        None => "another program".to_owned(),
    }
}

fn listening_inode(port: u16) -> Option<String> {
    // Columns of the kernel's table: 1 = local address in hex, 3 = state, 9 = inode. State 0A is LISTEN.
    let port = format!(":{port:04X}");
    ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .find_map(|table| {
            let text = fs::read_to_string(table).ok()?;
            text.lines().skip(1).find_map(|line| {
                let mut columns = line.split_whitespace().skip(1);
                let local = columns.next()?;
                let state = columns.nth(1)?;
                let inode = columns.nth(5)?;
                (local.ends_with(&port) && state == "0A").then(|| inode.to_owned())
            })
        })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn the_process_that_listens_is_named() {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();

        let (_, pid) = listener(port).unwrap();

        assert_eq!(pid, std::process::id());
    }

    #[test]
    fn a_free_port_has_nobody() {
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();

        assert_eq!(listener(port), None);
    }
}
