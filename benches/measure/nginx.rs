//! nginx as a peer of the edge and as an upstream that answers at once and stores nothing.

use std::path::{Path, PathBuf};

use crate::peer::Peer;

/// What a server of it does, besides listening.
pub(crate) struct Site<'s> {
    /// Loaded before everything, such as `load_module …;`.
    pub(crate) modules: &'s str,
    /// How many processes serve.
    pub(crate) workers: usize,
    /// What stands inside `http { … }`.
    pub(crate) http: &'s str,
}

/// Starts it; `None` where there is no nginx.
pub(crate) fn start(folder: &Path, port: u16, site: &Site<'_>) -> Option<Peer> {
    let program = ["/usr/sbin/nginx", "/usr/local/sbin/nginx", "/usr/bin/nginx"]
        .map(PathBuf::from)
        .into_iter()
        .find(|path| path.exists())?;
    let folder = folder.join(format!("nginx-{port}"));
    std::fs::create_dir_all(&folder).ok()?;
    let configuration = folder.join("nginx.conf");
    std::fs::write(&configuration, text(&folder, site)).ok()?;
    let mut command = std::process::Command::new(program);
    command.arg("-p").arg(&folder).arg("-c").arg(&configuration);
    command.args(["-g", "daemon off;"]);
    Some(Peer::start(&mut command, port))
}

/// Two processes that hand on what comes to `port`, to an upstream of their own that answers `{}`.
pub(crate) fn start_proxy(folder: &Path, port: u16, upstream: u16) -> Option<Peer> {
    let http = format!(
        "upstream answers {{ server 127.0.0.1:{upstream}; keepalive 256; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{upstream};
    location / {{ return 200 '{{}}'; }}
  }}
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://answers; proxy_http_version 1.1; proxy_set_header Connection ''; }}
  }}"
    );
    let site = Site {
        modules: "",
        workers: 2,
        http: &http,
    };
    start(folder, port, &site)
}

fn text(folder: &Path, site: &Site<'_>) -> String {
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("  {name}_temp_path {}/{name};\n", folder.display()))
        .concat();
    format!(
        "{modules}
worker_processes {workers};
pid {folder}/nginx.pid;
error_log {folder}/error.log crit;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  keepalive_requests 100000000;
  client_body_buffer_size 16k;
{temporary}  {http}
}}
",
        modules = site.modules,
        workers = site.workers,
        http = site.http,
        folder = folder.display()
    )
}
