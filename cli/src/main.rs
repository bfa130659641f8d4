//! `mcpctl`. Everything is in the library.

use std::process::ExitCode;

/// A relayed request makes many small allocations; a profile showed the system's allocator high up in both programs.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    mcpctl_cli::main()
}
