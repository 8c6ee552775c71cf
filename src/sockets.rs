//! Listening sockets that outlive a process: what a supervisor, systemd's or our own, opened before us and handed over.
//!
//! They exist so that a restart loses no connection: while one process leaves and another comes, the kernel keeps queueing connections
//! on the same socket (`LISTEN_FDS`, see `sd_listen_fds(3)`). A socket is recognised by its address, so their order means nothing; whoever
//! finds none opens its own.

use std::io;
use std::net::{SocketAddr, TcpListener};

use listenfd::ListenFd;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use parking_lot::Mutex;
use sd_notify::NotifyState;

/// The sockets handed over to this process and not taken yet.
#[derive(Debug, Default)]
pub(crate) struct Sockets {
    left: Mutex<Vec<TcpListener>>,
    were_given: bool,
}

impl Sockets {
    /// Takes what was handed over, and the variables that say so out of the environment. To be called once, before any thread starts.
    ///
    /// Whoever was given sockets leaves when the giver dies: a new supervisor could not open the doors that an orphan holds.
    ///
    /// # Errors
    /// What was handed over is no listening TCP socket.
    pub(crate) fn inherited() -> io::Result<Self> {
        let mut given = ListenFd::from_env();
        let mut sockets = Vec::with_capacity(given.len());
        for place in 0..given.len() {
            sockets.extend(given.take_tcp_listener(place)?);
        }
        if !sockets.is_empty() {
            set_pdeathsig(Signal::SIGTERM)?;
        }
        Ok(Self {
            were_given: !sockets.is_empty(),
            left: Mutex::new(sockets),
        })
    }

    /// Whether somebody else keeps our doors open, so that they stay open when we leave.
    pub(crate) fn were_given(&self) -> bool {
        self.were_given
    }

    /// The socket that listens on `address`, if it was handed over.
    pub(crate) fn take(&self, address: SocketAddr) -> Option<TcpListener> {
        let mut left = self.left.lock();
        let place = left
            .iter()
            .position(|socket| socket.local_addr().is_ok_and(|here| here == address))?;
        Some(left.swap_remove(place))
    }
}

/// Tells the supervisor, if there is one, that this process serves now (`sd_notify(3)`).
pub(crate) fn tell_ready() {
    // Without a supervisor there is nobody to tell; with one that cannot be reached, its own deadline decides.
    if let Err(error) = sd_notify::notify(&[NotifyState::Ready]) {
        tracing::warn!(name: "process.notify_failed", { error = %error }, "The supervisor could not be told that this process is ready");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_taken_by_its_address_and_only_once() {
        let open = || TcpListener::bind("127.0.0.1:0").unwrap();
        let (one, other) = (open(), open());
        let address = other.local_addr().unwrap();
        let sockets = Sockets {
            left: Mutex::new(vec![one, other]),
            were_given: true,
        };

        let taken = sockets.take(address).unwrap();

        assert_eq!(taken.local_addr().unwrap(), address);
        assert!(sockets.take(address).is_none());
    }
}
