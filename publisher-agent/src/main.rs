//! The publisher, as a program of its own.

use clap::Parser;

/// A relayed request makes many small allocations; a profile showed the system's allocator high up in both programs.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    mcplocal::cli::main(&mcplocal::args::Args::parse())
}
