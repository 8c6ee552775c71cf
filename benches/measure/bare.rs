//! Pingora as it comes: a proxy that only forwards, in a process of its own. What the edge costs beyond it is what the edge adds.

use async_trait::async_trait;
use pingora::Result;
use pingora::proxy::{ProxyHttp, Session, http_proxy_service};
use pingora::server::Server;
use pingora::server::configuration::ServerConf;
use pingora::upstreams::peer::HttpPeer;

/// Where it listens and what it serves with.
pub(crate) struct Doors {
    pub(crate) http: u16,
    pub(crate) tls: u16,
    pub(crate) upstream: u16,
    /// PEM files.
    pub(crate) chain: String,
    pub(crate) key: String,
}

/// As many as the edge has on two cores.
const THREADS: usize = 2;

struct Bare {
    upstream: u16,
}

#[async_trait]
impl ProxyHttp for Bare {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _session: &mut Session, _ctx: &mut ()) -> Result<Box<HttpPeer>> {
        let address = ("127.0.0.1", self.upstream);
        Ok(Box::new(HttpPeer::new(address, false, String::new())))
    }
}

/// Serves until the process is ended.
pub(crate) fn serve(doors: &Doors) -> ! {
    let conf = ServerConf {
        threads: THREADS,
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();
    let upstream = doors.upstream;
    let mut service = http_proxy_service(&server.configuration, Bare { upstream });
    service.add_tcp(&format!("127.0.0.1:{}", doors.http));
    service
        .add_tls(
            &format!("127.0.0.1:{}", doors.tls),
            &doors.chain,
            &doors.key,
        )
        .unwrap();
    server.add_service(service);
    server.run_forever()
}
