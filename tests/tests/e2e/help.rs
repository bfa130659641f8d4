//! Help and usage errors of the servers and the publisher, as their users see them.

use mcpctl_tests::program::binary;

/// Those of `mcpctl` are beside it.
const PROGRAMS: [&str; 3] = ["mcpd", "mcpd-projector", "mcplocal"];

#[test]
fn each_program_says_what_it_is_for_and_what_is_wrong_with_a_command_line() {
    let cases = trycmd::TestCases::new();
    for program in PROGRAMS {
        cases.register_bin(program, binary(program));
    }
    cases.case("help/*.trycmd").env("HOME", "/home/ann").env("MCPCTL_HOME", "/home/ann/.mcpctl").env("NO_COLOR", "1");
}
