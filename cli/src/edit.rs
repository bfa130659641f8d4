//! `edit`: a definition in the user's editor.

use crate::apply::read::{self, Wanted, is_same};
use crate::apply::source::Source;
use crate::apply::standing::Standing;
use crate::args::{Item, Noun};
use crate::clock;
use crate::exit::Stuck;
use crate::meant;
use crate::output::document::Document;
use crate::output::{self, Format, clean, yaml};
use crate::shell::Shell;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Lets the user change a definition, and writes what comes of it over the one that was shown.
pub async fn run(shell: &Shell, options: &Item) -> anyhow::Result<()> {
    shell.format(&[Format::Table], "edit")?;
    let (client, noun) = (shell.client()?, Noun::from(options.noun));
    let Some(standing) = Standing::of(&client, noun, &options.name).await? else {
        return Err(meant::missing(&client, noun, &options.name).await);
    };
    let name = standing.name();
    if standing.is_held() {
        return Err(held(noun, name).into());
    }
    let draft = Draft::write(noun, name, &standing.definition)?;
    let Some(wanted) = draft.edited(noun, name)? else {
        draft.remove();
        shell.screen.note("the text is empty: nothing was changed");
        return Ok(());
    };
    let title = format!("{}/{}", noun.word(), clean::line(name));
    let is_new = !is_same(&standing.definition, &wanted.definition)
        && standing
            .put(&client, &wanted.definition)
            .await
            .map_err(|error| crate::apply::placed(error, &wanted))
            .inspect_err(|_| draft.kept(shell))?;
    draft.remove();
    if let Some(told) = standing.taken_over(&title, true).filter(|_| is_new) {
        shell.screen.note(&told);
    }
    Ok(output::answer(&format!("{title} {}\n", if is_new { "configured" } else { "unchanged" }))?)
}

/// Said before anybody has written anything.
fn held(noun: Noun, name: &str) -> Stuck {
    let (word, name) = (noun.word(), clean::line(name));
    Stuck::new(
        format!("{word} '{name}' is active and defined by its publisher"),
        format!("change it in the publisher's config.json; `mcpctl describe {word} {name}` says how it stands"),
    )
}

/// A file for the editor. It stays where what is in it was not written.
struct Draft {
    path: PathBuf,
}

impl Draft {
    fn write(noun: Noun, name: &str, definition: &Document) -> anyhow::Result<Self> {
        let Document::Map(members) = definition else { return Err(odd("it is no document").into()) };
        let head = ("kind".to_owned(), Document::text(noun.word()));
        let document = Document::Map(std::iter::once(head).chain(members.iter().cloned()).collect());
        let path = std::env::temp_dir().join(format!("mcpctl-{}-{name}-{}.yaml", noun.word(), clock::id().simple()));
        let mut open = OpenOptions::new();
        open.write(true).create_new(true);
        // What an agent is told is nobody else's business.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut open, 0o600);
        let written = open.open(&path).and_then(|mut file| file.write_all(yaml::write(&document).as_bytes()));
        written.map_err(|error| {
            let problem = format!("cannot write {}: {error}", path.display());
            Stuck::new(problem, "set TMPDIR to a folder that is yours")
        })?;
        Ok(Self { path })
    }

    /// What the user made of it; nothing if it is empty.
    fn edited(&self, noun: Noun, name: &str) -> Result<Option<Wanted>, Stuck> {
        let before = fs::read_to_string(&self.path).unwrap_or_default();
        let ended = edit(&self.path);
        let shown = self.path.display().to_string();
        let text = fs::read_to_string(&self.path);
        if let Err(stuck) = ended {
            // What nobody has changed is no loss.
            if text.is_ok_and(|text| text == before) {
                self.remove();
                return Err(stuck);
            }
            return Err(Stuck { problem: format!("{}; the text is in {shown}", stuck.problem), ..stuck });
        }
        let text = text.map_err(|error| Stuck::new(format!("cannot read {shown}: {error}"), "edit it again"))?;
        let next = way_on(&self.path);
        let read = read::read(&[Source { name: shown, text }]);
        let mut all = read.map_err(|stuck| Stuck { next: next.clone(), ..stuck })?;
        let Some(wanted) = all.pop() else { return Ok(None) };
        if !all.is_empty() {
            return Err(Stuck::new("one document is edited here, and no more", next));
        }
        if (wanted.noun, &*wanted.name) == (noun, name) {
            return Ok(Some(wanted));
        }
        let problem = format!("{} '{name}' cannot become {}: kind and name stay", noun.word(), wanted.title());
        let next = format!("{}, which makes a new one; or edit it again", way_on(&self.path));
        Err(Stuck::new(problem, next))
    }

    fn kept(&self, shell: &Shell) {
        shell.screen.note(&way_on(&self.path));
    }

    fn remove(&self) {
        // Somebody else may have done so.
        let _ = fs::remove_file(&self.path);
    }
}

/// What can be done with a text that was not written. What others wrote meanwhile is not in it.
fn way_on(path: &Path) -> String {
    let shown = path.display();
    format!(
        "your text is in {shown}: correct it, see what `mcpctl diff -f {shown}` says, and `mcpctl apply -f {shown}`"
    )
}

/// Opens the editor, and waits until it ends. `VISUAL` and `EDITOR` may hold a program with its flags.
fn edit(path: &Path) -> Result<(), Stuck> {
    let named = |variable| std::env::var(variable).ok().filter(|value| !value.trim().is_empty());
    let editor = named("VISUAL").or_else(|| named("EDITOR")).unwrap_or_else(|| "vi".to_owned());
    // Ctrl-C is the editor's, and would end this program beneath it.
    #[cfg(unix)]
    let _ours = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt());
    let next = "set EDITOR to an editor that waits, such as `nano` or `code --wait`";
    let ended = command(&editor).arg(path).status();
    match ended {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Stuck::new(format!("the editor `{editor}` ended with {status}; nothing was changed"), next)),
        Err(error) => Err(Stuck::new(format!("cannot start the editor `{editor}`: {error}"), next)),
    }
}

/// A program and its flags are started as they are: a shell around them would die of the editor's Ctrl-C. What takes a shell
/// to understand gets one.
fn command(editor: &str) -> Command {
    let is_plain = |c: char| c.is_alphanumeric() || c.is_whitespace() || "/._-+:@,".contains(c);
    let mut words = editor.split_whitespace();
    if let Some(program) = words.next().filter(|_| editor.chars().all(is_plain)) {
        let mut command = Command::new(program);
        command.args(words);
        return command;
    }
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("{editor} \"$1\"")).arg("mcpctl");
    command
}

fn odd(problem: &str) -> Stuck {
    Stuck::new(
        format!("the server's answer cannot be edited: {problem}"),
        "check that --server names an mcpd of this version",
    )
}
