//! A peer for the edge: nginx, handing the same requests on to an upstream that answers at once and stores nothing.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running nginx; it ends when this is dropped.
pub(crate) struct Nginx {
    master: Child,
    port: u16,
}

impl Nginx {
    /// Starts it with two workers, as many as there are cores. `None` where there is no nginx.
    pub(crate) fn start(folder: &Path, port: u16, upstream: u16) -> Option<Self> {
        let program = ["/usr/sbin/nginx", "/usr/local/sbin/nginx", "/usr/bin/nginx"]
            .map(PathBuf::from)
            .into_iter()
            .find(|path| path.exists())?;
        let configuration = folder.join("nginx.conf");
        std::fs::write(&configuration, text(folder, port, upstream)).ok()?;
        let master = Command::new(program)
            .arg("-p")
            .arg(folder)
            .arg("-c")
            .arg(&configuration)
            .args(["-g", "daemon off;"])
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let nginx = Self { master, port };
        nginx.wait();
        Some(nginx)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    fn wait(&self) {
        let started = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err()
            && started.elapsed() < Duration::from_secs(5)
        {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // SIGTERM to the master ends its workers; SIGKILL would leave them.
        let pid = self.master.id().to_string();
        drop(Command::new("kill").arg(pid).status());
        drop(self.master.wait());
    }
}

fn text(folder: &Path, port: u16, upstream: u16) -> String {
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("  {name}_temp_path {}/{name};\n", folder.display()))
        .concat();
    format!(
        "worker_processes 2;
pid {folder}/nginx.pid;
error_log /dev/null;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  keepalive_requests 100000000;
  client_body_buffer_size 16k;
{temporary}  upstream answers {{ server 127.0.0.1:{upstream}; keepalive 256; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{upstream};
    location / {{ return 200 '{{}}'; }}
  }}
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://answers; proxy_http_version 1.1; proxy_set_header Connection ''; }}
  }}
}}
",
        folder = folder.display()
    )
}
