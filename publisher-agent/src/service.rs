//! `mcplocal install-service`: a service of the user's that publishes from login to logout.

use crate::shown;
use std::{
    env, fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

/// A file for the system's service manager, and how it is begun.
#[derive(Debug, PartialEq, Eq)]
pub struct Service {
    file: PathBuf,
    text: String,
    begin: String,
}

/// The service manager that is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manager {
    Systemd,
    Launchd,
}

impl Service {
    /// The one of this system: launchd's on macOS, systemd's elsewhere. `args` are the flags that it is to run with.
    ///
    /// # Errors
    /// It is not known where this program or the user's folder is.
    pub fn of_this_system(args: &[String]) -> io::Result<Self> {
        let manager = if cfg!(target_os = "macos") { Manager::Launchd } else { Manager::Systemd };
        let home = env::var_os("HOME").map(PathBuf::from).filter(|home| home.is_absolute());
        let home = home.ok_or_else(|| io::Error::other("HOME names no whole path: the user's folder is not known"))?;
        Ok(Self::of(manager, &env::current_exe()?, &home, args))
    }

    fn of(manager: Manager, program: &Path, home: &Path, args: &[String]) -> Self {
        let words: Vec<_> = std::iter::once(program.display().to_string()).chain(args.iter().cloned()).collect();
        match manager {
            Manager::Systemd => {
                let command: Vec<_> = words.iter().map(|word| systemd_word(word)).collect();
                Self {
                    file: home.join(".config/systemd/user/mcplocal.service"),
                    text: format!(
                        "[Unit]\nDescription=Publishes local models to an mcpctl registry\n\n[Service]\nExecStart={}\n\
                         Restart=on-failure\nRestartPreventExitStatus=2\nRestartSec=5\n\n[Install]\nWantedBy=default.target\n",
                        command.join(" ")
                    ),
                    begin: "systemctl --user daemon-reload && systemctl --user enable --now mcplocal; its log: \
                            journalctl --user -u mcplocal; `loginctl enable-linger` keeps it after logout"
                        .to_owned(),
                }
            }
            Manager::Launchd => {
                let file = home.join("Library/LaunchAgents/dev.mcpctl.mcplocal.plist");
                let words: String = words
                    .iter()
                    .map(|word| format!("    <string>{}</string>\n", xml(word)))
                    .collect::<Vec<_>>()
                    .concat();
                let log = xml(&home.join("Library/Logs/mcplocal.log").display().to_string());
                Self {
                    begin: format!("launchctl load -w {}", file.display()),
                    file,
                    text: format!(
                        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \
                         \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n<plist version=\"1.0\">\n<dict>\n  \
                         <key>Label</key><string>dev.mcpctl.mcplocal</string>\n  <key>ProgramArguments</key>\n  <array>\n\
                         {words}  </array>\n  <key>RunAtLoad</key><true/>\n  <key>KeepAlive</key><true/>\n  \
                         <key>StandardErrorPath</key><string>{log}</string>\n</dict>\n</plist>\n"
                    ),
                }
            }
        }
    }

    /// Its text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Writes it where the service manager looks, and says how it is begun. One that is there and differs is not
    /// overwritten.
    ///
    /// # Errors
    /// It cannot be written, or another one is there.
    pub fn install(&self) -> io::Result<String> {
        let shown = shown::line(&self.file.to_string_lossy());
        match fs::read_to_string(&self.file) {
            Ok(text) if text == self.text => {}
            Ok(_) => {
                let reason = format!("{shown} is there already, and differs: remove it, or compare it with --print");
                return Err(io::Error::other(reason));
            }
            Err(_) => self.write().map_err(|error| io::Error::other(format!("cannot write {shown}: {error}")))?,
        }
        Ok(format!("{shown} is there; begin with: {}", self.begin))
    }
}

impl Service {
    fn write(&self) -> io::Result<()> {
        fs::create_dir_all(self.file.parent().unwrap_or(Path::new(".")))?;
        fs::File::create_new(&self.file)?.write_all(self.text.as_bytes())
    }
}

/// As systemd.service(5) quotes a word of a command line.
fn systemd_word(word: &str) -> String {
    let escaped = word.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%").replace('$', "$$");
    let is_odd = |letter: char| letter.is_whitespace() || letter == '\'';
    if escaped.contains(is_odd) || escaped != word || escaped.is_empty() { format!("\"{escaped}\"") } else { escaped }
}

fn xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(manager: Manager) -> Service {
        let args =
            ["--server", "http://h:1", "--config", "/home/a b/100%.json", "--home", "/o'brien"].map(str::to_owned);
        Service::of(manager, Path::new("/usr/bin/mcplocal"), Path::new("/home/ann"), &args)
    }

    #[test]
    fn systemd_runs_the_program_with_its_flags() {
        let service = of(Manager::Systemd);
        assert_eq!(service.file, Path::new("/home/ann/.config/systemd/user/mcplocal.service"));
        let command =
            r#"ExecStart=/usr/bin/mcplocal --server http://h:1 --config "/home/a b/100%%.json" --home "/o'brien""#;
        assert!(service.text.lines().any(|line| line == command), "{}", service.text);
        assert!(service.text.contains("RestartPreventExitStatus=2\n"), "a wrong configuration is not tried again");
    }

    #[test]
    fn the_one_that_is_packaged_is_the_same() {
        let packaged = include_str!("../../deploy/systemd/mcplocal.service");
        let own = Service::of(Manager::Systemd, Path::new("/usr/bin/mcplocal"), Path::new("/home/ann"), &[]);
        assert_eq!(packaged.split_once('\n').map(|(_, text)| text), Some(own.text()), "but for its first line");
    }

    #[test]
    fn launchd_does_too() {
        let service = of(Manager::Launchd);
        assert!(service.text.contains("    <string>/home/a b/100%.json</string>\n"), "{}", service.text);
        assert_eq!(xml("a<b>&c"), "a&lt;b&gt;&amp;c");
    }

    #[test]
    fn another_service_is_not_overwritten() {
        let home = tempfile::tempdir().unwrap();
        let service = Service { file: home.path().join("below/mcplocal.service"), ..of(Manager::Systemd) };
        assert!(service.install().unwrap().contains("systemctl --user"));
        assert!(service.install().is_ok(), "the same again");
        fs::write(&service.file, "mine").unwrap();
        assert!(service.install().unwrap_err().to_string().contains("differs"));
        assert_eq!(fs::read_to_string(&service.file).unwrap(), "mine");
    }
}
