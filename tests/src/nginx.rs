//! nginx as people install it, in front of a server.

use crate::{home::Home, port, program::Program, wait::eventually};
use std::{path::PathBuf, process::Command, time::Duration};

/// nginx, running.
#[derive(Debug)]
pub struct Nginx {
    /// Where it listens.
    pub url: String,
    process: Program,
}

impl Nginx {
    /// Passes all requests on to `upstream`; everything else is as nginx has it by default.
    pub async fn start(home: &Home, upstream: &str) -> Self {
        let port = port::free();
        let config = format!(
            "events {{ }}\nhttp {{\nserver {{ listen 127.0.0.1:{port}; location / {{ proxy_pass {upstream}; }} }} }}\n"
        );
        Self::serve(home, port, &config).await
    }

    /// Serves what a configuration says, which listens on this port of 127.0.0.1. Its files go into the home.
    pub async fn serve(home: &Home, port: u16, config: &str) -> Self {
        let folder = home.path().join("nginx");
        std::fs::create_dir_all(&folder).expect("the home can be written");
        let at = |name: &str| folder.join(name).display().to_string();
        let kept = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
        let kept: Vec<_> = kept.iter().map(|name| format!(" {name}_temp_path {};", at(name))).collect();
        let kept = kept.concat();
        let config = config.replacen("http {", &format!("http {{ access_log off;{kept}"), 1);
        let config = format!("daemon off; pid {}; error_log {};\n{config}", at("pid"), at("error.log"));
        let file = folder.join("nginx.conf");
        std::fs::write(&file, config).expect("the home can be written");
        let mut command = Command::new(binary());
        command.arg("-p").arg(&folder).arg("-c").arg(&file).arg("-e").arg(folder.join("error.log"));
        let process = Program::spawn("nginx", home, command);
        let address = format!("127.0.0.1:{port}");
        eventually("nginx listens", Duration::from_secs(5), async || {
            tokio::net::TcpStream::connect(&address).await.ok()
        })
        .await;
        Self { url: format!("http://{address}"), process }
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Killed outright, the master would leave its workers behind.
        self.process.signal(nix::sys::signal::Signal::SIGTERM);
        let end = std::time::Instant::now() + Duration::from_secs(2);
        while self.process.ended().is_none() && std::time::Instant::now() < end {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn binary() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    let found = folders.map(|folder| folder.join("nginx")).find(|file| file.is_file());
    found.expect("nginx is not installed: ./test.sh installs it (Debian's package nginx-light)")
}
