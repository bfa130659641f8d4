//! How the user can start this program again, from where they are.

use std::path::Path;

/// `mcpctl` if the shell finds this very program under that name, else a path to it; and before it the folder of its files
/// if that is not the usual one.
pub fn shown() -> String {
    let home = std::env::var("MCPCTL_HOME").ok().filter(|home| !home.is_empty());
    home.map(|home| format!("MCPCTL_HOME='{home}' ")).unwrap_or_default() + &path()
}

fn path() -> String {
    let Ok(program) = std::env::current_exe() else { return "mcpctl".to_owned() };
    let found = std::env::var_os("PATH").and_then(|path| {
        std::env::split_paths(&path).map(|folder| folder.join("mcpctl")).find(|candidate| candidate.is_file())
    });
    if found.is_some_and(|found| same(&found, &program)) {
        return "mcpctl".to_owned();
    }
    relative(&program, std::env::current_dir().ok().as_deref())
}

fn relative(program: &Path, here: Option<&Path>) -> String {
    match here.map(|here| program.strip_prefix(here)) {
        Some(Ok(below)) => format!("./{}", below.display()),
        _ => program.display().to_string(),
    }
}

fn same(a: &Path, b: &Path) -> bool {
    a.canonicalize().ok().is_some_and(|a| b.canonicalize().is_ok_and(|b| a == b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_below_the_folder_is_shown_from_there() {
        let program = Path::new("/src/mcpctl/target/release/mcpctl");
        assert_eq!(relative(program, Some(Path::new("/src/mcpctl"))), "./target/release/mcpctl");
        assert_eq!(relative(program, Some(Path::new("/home"))), "/src/mcpctl/target/release/mcpctl");
    }
}
