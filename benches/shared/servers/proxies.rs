//! Proxies that choose by the client's address, before workers that each have a port of their own.
//!
//! Both may keep connections to the workers open, which saves them the hand-shakes.

use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, Stdio};

use anyhow::Result;
use harness::addresses::free_port;
use tempfile::TempDir;

use super::{Kind, Server, workers};
use crate::listen::listen;
use crate::processes::Tree;

pub(super) fn nginx(workers: u32) -> Result<Server> {
    start(Kind::Nginx, workers, &["nginx", "-c"], |port, folder, workers| {
        let folder = folder.path().display();
        let servers = workers.iter().fold(String::new(), |mut servers, address| {
            let _ = write!(servers, "server {address}; ");
            servers
        });
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|name| format!("{name}_temp_path {folder}/{name};"))
            .join("\n");
        format!(
            "daemon off;
            pid {folder}/pid;
            error_log {folder}/error.log crit;
            worker_processes auto;
            events {{ worker_connections 8192; }}
            http {{
                {temporary}
                access_log off;
                keepalive_requests 1000000000;
                map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
                upstream workers {{
                    hash $remote_addr;
                    {servers}
                    keepalive 64;
                    keepalive_requests 1000000000;
                }}
                server {{
                    listen 127.0.0.1:{port} backlog=4096;
                    location / {{
                        proxy_pass http://workers;
                        proxy_http_version 1.1;
                        proxy_set_header Host $host;
                        proxy_set_header Upgrade $http_upgrade;
                        proxy_set_header Connection $connection_upgrade;
                    }}
                }}
            }}"
        )
    })
}

pub(super) fn haproxy(workers: u32) -> Result<Server> {
    start(Kind::HaProxy, workers, &["haproxy", "-q", "-db", "-f"], |port, _, workers| {
        let servers: String =
            (0..).zip(workers).fold(String::new(), |mut servers, (slot, address)| {
                let _ = writeln!(servers, "    server slot{slot} {address}");
                servers
            });
        format!(
            "global
    maxconn 8192
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    timeout tunnel 1h
frontend clients
    bind 127.0.0.1:{port} backlog 4096
    default_backend workers
backend workers
    balance source
    http-reuse always
{servers}"
        )
    })
}

fn start(
    kind: Kind,
    workers: u32,
    program: &[&str],
    configuration: impl Fn(u16, &TempDir, &[SocketAddr]) -> String,
) -> Result<Server> {
    let folder = TempDir::with_prefix("sticky-bench-")?;
    let (listeners, addresses): (Vec<_>, Vec<_>) =
        (0..workers).map(|_| listen(0)).collect::<Result<Vec<_>>>()?.into_iter().unzip();
    let port = free_port();
    let file = folder.path().join("configuration");
    fs::write(&file, configuration(port, &folder, &addresses))?;

    let mut command = Command::new(program.first().copied().unwrap_or_default());
    command.args(program.get(1..).unwrap_or_default()).arg(file);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let proxy = Tree::spawn(&mut command)?;
    let workers = workers::start(listeners, &workers::reference())?;
    let roots = workers.iter().chain([&proxy]).map(Tree::pid).collect();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    // The folder last: it has to be there as long as they run.
    Ok(Server::new(kind, address, roots, (proxy, workers, folder)))
}
