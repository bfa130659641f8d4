//! Help and usage errors, as the user sees them: runs the binary and compares what it prints.

/// The commands of every build.
#[test]
fn help_and_usage_errors() {
    cases("tests/cmd/*.trycmd");
}

/// What only a build with `dev` says.
#[cfg(feature = "dev")]
#[test]
fn help_with_dev() {
    cases("tests/cmd/dev/*.trycmd");
}

fn cases(glob: &str) {
    trycmd::TestCases::new().case(glob).env("MCPCTL_HOME", "no-such-folder").env("NO_COLOR", "1");
}
