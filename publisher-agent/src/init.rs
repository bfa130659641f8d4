//! `mcplocal init`: writes a first `config.json` from what runs on this machine, after asking.

use crate::{
    config::Config,
    local::{self, CANDIDATES},
    shown,
};
use serde_json::{Value, json};
use std::{
    fs,
    io::{self, BufRead, IsTerminal, Write},
    path::Path,
};

/// Models of one server that may be chosen from.
const MODELS: usize = 50;
const EXAMPLE: &str = r#"{"llm": {"providers": [{"name": "qwen", "type": "openai", "model": "qwen3:8b", "url": "http://gpu-1:8000/v1", "publish": true}]}}"#;

/// Looks, asks which models to publish, and writes the file.
///
/// # Errors
/// A sentence on why nothing was written.
pub async fn run(file: &Path, takes_all: bool) -> Result<(), String> {
    let shown = shown::line(&file.to_string_lossy());
    if file.exists() {
        return Err(format!("{shown} is there already: edit it, `mcplocal check` checks it"));
    }
    let found = local::look(&CANDIDATES).await;
    eprintln!("{}", local::report(&found, MODELS));
    let providers = local::providers(&found, MODELS);
    if providers.is_empty() {
        return Err(format!(
            "no model is served here at the usual ports; for one elsewhere, {shown} is such as {EXAMPLE}"
        ));
    }
    let stdin = io::stdin();
    let chosen = if takes_all {
        providers
    } else if stdin.is_terminal() {
        ask(&providers, &mut stdin.lock(), &mut io::stderr().lock()).map_err(|error| error.to_string())?
    } else {
        return Err("stdin is no terminal, and nobody can be asked: --yes publishes all that was found".to_owned());
    };
    let Some(first) = chosen.first() else { return Err("nothing was chosen, and nothing written".to_owned()) };
    let agent_name = format!("{}-chat", first["name"].as_str().unwrap_or_default());
    let agent = json!({"name": agent_name, "llm": first["name"],
        "description": "A helpful assistant on a local model",
        "systemPrompt": "You are a helpful assistant. Answer briefly and plainly."});
    let text = json!({"llm": {"providers": &chosen}, "agents": [agent]});
    let text = serde_json::to_string_pretty(&text).map_err(|error| error.to_string())? + "\n";
    Config::parse(&text).map_err(|problems| {
        let problems: Vec<_> = problems.iter().map(|it| format!("{}: {}", it.pointer, it.reason)).collect();
        format!("what was found cannot be published: {}", problems.join("; "))
    })?;
    write(file, &text).map_err(|error| format!("{shown}: {error}"))?;
    let names = chosen.iter().map(|it| shown::line(it["name"].as_str().unwrap_or_default()));
    let (llms, agent) = (names.collect::<Vec<_>>().join(", "), agent_name);
    eprintln!(
        "wrote {shown}: it publishes {llms}, and an agent to chat with, {agent}\nnext: `mcplocal check` checks it, \
         `mcplocal` publishes it"
    );
    Ok(())
}

/// Which of them to publish.
fn ask(providers: &[Value], answers: &mut impl BufRead, out: &mut impl Write) -> io::Result<Vec<Value>> {
    for (number, provider) in providers.iter().enumerate() {
        let word = |key: &str| shown::line(provider[key].as_str().unwrap_or_default());
        writeln!(out, "  {}  {}  ({})", number + 1, word("name"), word("description"))?;
    }
    loop {
        write!(out, "publish which? [all, none, or numbers such as 1 3] ")?;
        out.flush()?;
        let mut line = String::new();
        if answers.read_line(&mut line)? == 0 {
            return Ok(Vec::new());
        }
        match chosen(providers, line.trim()) {
            Some(chosen) => return Ok(chosen),
            None => writeln!(out, "that is none of them")?,
        }
    }
}

fn chosen(providers: &[Value], line: &str) -> Option<Vec<Value>> {
    match line {
        "" | "all" => Some(providers.to_vec()),
        "none" => Some(Vec::new()),
        numbers => {
            let words = numbers.split([' ', ',']).filter(|word| !word.is_empty());
            words.map(|word| providers.get(word.parse::<usize>().ok()?.checked_sub(1)?).cloned()).collect()
        }
    }
}

/// A file that came meanwhile is left alone.
fn write(file: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        // It is where credentials are kept, too.
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(folder)?;
    }
    fs::File::create_new(file)?.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_chosen_is_published_and_nonsense_is_asked_again() {
        let providers = [json!({"name": "a", "description": "A"}), json!({"name": "b", "description": "B"})];
        let names = |answers: &str| -> (Vec<String>, String) {
            let mut out = Vec::new();
            let chosen = ask(&providers, &mut answers.as_bytes(), &mut out).unwrap();
            let names = chosen.iter().map(|it| it["name"].as_str().unwrap_or_default().to_owned()).collect();
            (names, String::from_utf8(out).unwrap())
        };
        assert_eq!(names("\n").0, ["a", "b"]);
        assert_eq!(names("2\n").0, ["b"]);
        assert_eq!(names("2, 1\n").0, ["b", "a"]);
        assert_eq!(names("none\n").0, [""; 0]);
        assert_eq!(names("").0, [""; 0]);
        let (chosen, said) = names("0\n3\nx\nall\n");
        assert_eq!((chosen.len(), said.matches("that is none of them").count()), (2, 3), "{said}");
    }
}
